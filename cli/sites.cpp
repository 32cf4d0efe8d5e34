#include "cli/sites.h"

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <limits>
#include <sstream>

#include "engine/error.h"
#include "weights/printable.h"

namespace vitq {
namespace {

constexpr int kDigits = 4;
constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

Record finite(double value, int digits) { return std::isfinite(value) ? Record(rounded(value, digits)) : Record(); }

const Record& field(const Record& site, const char* name) {
  const auto found = site.find(name);
  check(found != site.end(), ErrorCode::kFormat, "a site has no ", name);
  return *found;
}

double number_in(const Record& site, const char* name) {
  constexpr double kMost = 1e30;
  const Record& value = field(site, name);
  if (value.is_null()) return kNone;
  check(value.is_number() && std::abs(value.get<double>()) <= kMost, ErrorCode::kFormat, "a site's ", name,
        " is no number");
  return value.get<double>();
}

int bits_in(const Record& site, const char* name) {
  constexpr int kMost = 8;
  const double value = number_in(site, name);
  check(value >= 0 && value <= kMost && value == std::floor(value), ErrorCode::kFormat, "a site's ", name,
        " is no whole number from 0 to ", kMost);
  return static_cast<int>(value);
}

bool is_set(const Record& site, const char* name) { return site.contains(name) && site.at(name) == Record(true); }

std::string bits_text(int bits) { return bits == 0 ? "f32" : std::to_string(bits); }

}  // namespace

Record to_record(const std::vector<SiteReport>& sites) {
  Record list = Record::array();
  for (const SiteReport& site : sites) {
    list.push_back({{"name", site.name},
                    {"weight_bits", site.weight_bits},
                    {"input_bits", site.input_bits},
                    {"sqnr_db", finite(site.sqnr_db, 2)},
                    {"tanq_a", finite(site.tanq_a, kDigits)},
                    {"tanq_c", finite(site.tanq_c, kDigits)},
                    {"scale_spread", finite(site.scale_spread, 2)}});
    if (site.is_flat) list.back()["is_flat"] = true;
    if (site.row_scales) list.back()["row_scales"] = true;
  }
  return list;
}

std::vector<SiteReport> parse_sites(std::string_view json) {
  constexpr std::size_t kMostBytes = std::size_t{1} << 20;
  constexpr std::size_t kMostSites = 4096;
  constexpr int kDepth = 2;  // an array of flat objects
  check(json.size() <= kMostBytes, ErrorCode::kFormat, "it has ", json.size(), " bytes, expected at most ", kMostBytes);
  bool is_deep = false;
  const Record list = Record::parse(
      json.begin(), json.end(),
      [&](int depth, Record::parse_event_t, const Record&) {
        is_deep = is_deep || depth > kDepth;
        return depth <= kDepth;
      },
      false);
  check(list.is_array() && !is_deep, ErrorCode::kFormat, "expected a JSON array of objects");
  check(list.size() <= kMostSites, ErrorCode::kFormat, "it has ", list.size(), " sites, expected at most ", kMostSites);
  std::vector<SiteReport> sites;
  for (const Record& site : list) {
    check(site.is_object(), ErrorCode::kFormat, "expected a JSON array of objects");
    check(field(site, "name").is_string(), ErrorCode::kFormat, "a site's name is no text");
    sites.push_back({.name = field(site, "name").get<std::string>(),
                     .weight_bits = bits_in(site, "weight_bits"),
                     .input_bits = bits_in(site, "input_bits"),
                     .sqnr_db = number_in(site, "sqnr_db"),
                     .scale_spread = number_in(site, "scale_spread"),
                     .tanq_a = static_cast<float>(number_in(site, "tanq_a")),
                     .tanq_c = static_cast<float>(number_in(site, "tanq_c")),
                     .is_flat = is_set(site, "is_flat"),
                     .row_scales = is_set(site, "row_scales")});
  }
  return sites;
}

std::string site_table(const std::vector<SiteReport>& sites) {
  constexpr int kColumn = 9;
  std::size_t width = 4;
  for (const SiteReport& site : sites) width = std::max(width, printable(site.name).size());
  std::ostringstream text;
  const auto cell = [&](const std::string& value) { text << std::setw(kColumn) << value; };
  const auto number = [](double value, int digits) -> std::string {
    if (!std::isfinite(value)) return "-";
    std::ostringstream shown;
    // Nobody's scale spreads that far; a file may claim it.
    if (std::abs(value) >= 1e6) {
      shown << std::setprecision(3) << value;
    } else {
      shown << std::fixed << std::setprecision(digits) << value;
    }
    return shown.str();
  };
  text << std::left << std::setw(static_cast<int>(width)) << "site" << std::right;
  for (const char* title : {"weights", "input", "SQNR dB", "TanQ a", "TanQ c", "spread"}) cell(title);
  text << '\n';
  for (const SiteReport& site : sites) {
    const bool is_float = site.weight_bits == 0 && site.input_bits == 0;
    const bool is_attention = site.weight_bits == 0 && !is_float;
    text << std::left << std::setw(static_cast<int>(width)) << printable(site.name) << std::right;
    cell(is_attention ? "-" : bits_text(site.weight_bits));
    cell(bits_text(site.input_bits) + (site.row_scales ? " rows" : ""));
    cell(is_float ? "-" : (site.is_flat ? "no range" : number(site.sqnr_db, 1)));
    cell(is_attention ? number(site.tanq_a, 3) : "-");
    cell(is_attention ? number(site.tanq_c, 2) : "-");
    cell(is_float ? "-" : number(site.scale_spread, 1));
    text << '\n';
  }
  text << "SQNR: how well a site's codes fit the calibration pictures. It is no measure of how good the model is.\n";
  if (std::ranges::any_of(sites, &SiteReport::row_scales)) {
    text << "rows: each token has a scale of its own there, as some tokens' values are far larger than the others'.\n";
  }
  return text.str();
}

}  // namespace vitq
