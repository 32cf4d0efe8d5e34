#include "cli/download_part.h"

#include <nlohmann/json.hpp>

namespace vitq {
namespace {

std::string to_text(const PartOrigin& origin) {
  if (!origin.is_known()) return "";
  nlohmann::json record{{"address", origin.address}, {"etag", origin.etag}, {"sha256", origin.sha256}};
  if (origin.total) record["total"] = *origin.total;
  return record.dump() + '\n';
}

/// Of a text that somebody may have changed: nothing where it is not to_text()'s.
PartOrigin from_text(const std::string& text) {
  const auto record = nlohmann::json::parse(text, nullptr, false);
  if (!record.is_object()) return {};
  const auto word = [&](const char* key) {
    const auto found = record.find(key);
    return found != record.end() && found->is_string() ? found->get<std::string>() : std::string();
  };
  PartOrigin origin{.address = word("address"), .etag = word("etag"), .sha256 = word("sha256")};
  const auto total = record.find("total");
  if (total != record.end() && total->is_number_unsigned()) origin.total = total->get<std::uint64_t>();
  // The ETag is sent back in a header, where a line break would end it.
  const bool is_plain = origin.etag.find_first_of("\r\n") == std::string::npos;
  return is_plain ? origin : PartOrigin();
}

}  // namespace

DownloadPart::DownloadPart(const std::filesystem::path& target) : file_(target, "`vitq pull`") {
  if (file_.size() == 0) return;
  origin_ = from_text(file_.note());
  const bool is_too_long = origin_.total && file_.size() > *origin_.total;
  if (!origin_.is_known() || is_too_long) restart({});
}

void DownloadPart::restart(const PartOrigin& origin) {
  file_.restart(to_text(origin));
  origin_ = origin;
}

}  // namespace vitq
