#include "cli/record.h"

#include <cmath>

#include "cli/output.h"
#include "engine/cpu.h"
#include "engine/gemm/onednn.h"
#include "engine/kernels/dispatch.h"
#include "vitq/version.h"

namespace vitq {
namespace {

std::string dump(const Record& value) {
  return value.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::string plain(const Record& value) { return value.is_string() ? value.get<std::string>() : dump(value); }

/// `text` with each `from` replaced by `to`.
std::string replaced(const std::string& text, char from, const std::string& to) {
  std::string result;
  for (const char c : text) result += c == from ? to : std::string(1, c);
  return result;
}

std::string to_markdown(const Record& record) {
  std::size_t width = 0;
  for (const auto& [name, value] : record.items()) width = std::max(width, name.size());
  std::string text = "| " + std::string(width, ' ') + " | |\n|" + std::string(width + 2, '-') + "|---|\n";
  for (const auto& [name, value] : record.items()) {
    text += "| " + name + std::string(width - name.size(), ' ') + " | " + replaced(one_line(plain(value)), '|', "\\|") +
            " |\n";
  }
  return text;
}

}  // namespace

void add_system(Record& record) {
  record["version"] = version();
  record["onednn"] = onednn_version();
  record["isa"] = effective_isa();
  record["kernels"] = kernels().name;
  record["cpu"] = cpu_name();
}

double rounded(double value, int digits) {
  const double scale = std::pow(10.0, digits);
  return std::round(value * scale) / scale;
}

std::string to_json(const Record& record) { return dump(record) + '\n'; }

std::string csv_cell(const std::string& text) {
  const bool needs_quotes = text.find_first_of(",\"\r\n") != std::string::npos;
  return needs_quotes ? '"' + replaced(text, '"', "\"\"") + '"' : text;
}

std::string to_csv(const std::vector<Record>& records) {
  std::string text;
  const auto add = [&text](const std::string& cell, bool is_first) { text += (is_first ? "" : ",") + csv_cell(cell); };
  if (records.empty()) return text;
  for (auto item = records.front().begin(); item != records.front().end(); ++item) {
    add(item.key(), item == records.front().begin());
  }
  text += '\n';
  for (const Record& record : records) {
    for (auto item = record.begin(); item != record.end(); ++item) add(plain(*item), item == record.begin());
    text += '\n';
  }
  return text;
}

std::string to_format(const Record& record, const std::string& format) {
  if (format == "json") return to_json(record);
  return format == "csv" ? to_csv({record}) : to_markdown(record);
}

}  // namespace vitq
