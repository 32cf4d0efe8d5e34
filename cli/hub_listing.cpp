#include "cli/hub_listing.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>

#include "engine/error.h"
#include "weights/printable.h"

namespace vitq {
namespace {

using nlohmann::json;

bool is_digits(std::string_view text, std::size_t count) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  return text.size() == count && text.find_first_not_of(kDigits) == std::string_view::npos;
}

/// Whether a file may be called so in a folder of ours.
bool is_safe_name(std::string_view name) {
  constexpr std::size_t kMost = 200;
  const auto is_plain = [](char c) {
    return ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z') || ('0' <= c && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  };
  return !name.empty() && name.size() <= kMost && name.front() != '.' && std::ranges::all_of(name, is_plain);
}

std::string text_at(const json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

std::uint64_t size_at(const json& object) {
  const auto found = object.find("size");
  check(found != object.end() && found->is_number_unsigned(), ErrorCode::kFormat,
        "the hub's list tells no size of a file");
  return found->get<std::uint64_t>();
}

HubFile read_file(const json& sibling, std::string name) {
  HubFile file{.name = std::move(name), .size = size_at(sibling)};
  const auto lfs = sibling.find("lfs");
  if (lfs == sibling.end() || !lfs->is_object()) return file;
  constexpr std::size_t kSha256 = 64;
  file.sha256 = text_at(*lfs, "sha256");
  check(is_digits(file.sha256, kSha256), ErrorCode::kFormat, "the hub's list has ", printable(file.sha256),
        " for the SHA-256 of ", file.name, ", expected 64 hexadecimal digits");
  return file;
}

}  // namespace

std::vector<std::string> HubListing::names() const {
  std::vector<std::string> all;
  for (const HubFile& file : files) all.push_back(file.name);
  return all;
}

const HubFile& HubListing::file(const std::string& name) const {
  const auto found = std::ranges::find(files, name, &HubFile::name);
  check(found != files.end(), ErrorCode::kFormat, "the repository has no file ", printable(name));
  return *found;
}

std::string listing_path(const HubId& id) {
  return "api/models/" + id.owner + '/' + id.name + "/revision/" + (id.revision.empty() ? "main" : id.revision) +
         "?blobs=true";
}

std::string file_path(const HubId& id, const std::string& commit, const std::string& name) {
  return id.owner + '/' + id.name + "/resolve/" + commit + '/' + name;
}

HubListing parse_listing(const std::string& text) {
  const json answer = json::parse(text, nullptr, false);
  check(answer.is_object(), ErrorCode::kFormat, "the hub's list of files is no JSON object");
  HubListing listing{.commit = text_at(answer, "sha"), .files = {}};
  constexpr std::size_t kSha1 = 40;
  constexpr std::size_t kSha256 = 64;
  check(is_digits(listing.commit, kSha1) || is_digits(listing.commit, kSha256), ErrorCode::kFormat,
        "the hub's list of files has ", printable(listing.commit), " for 'sha', expected a commit");
  const auto siblings = answer.find("siblings");
  check(siblings != answer.end() && siblings->is_array(), ErrorCode::kFormat, "the hub's list of files has no files");
  for (const json& sibling : *siblings) {
    if (!sibling.is_object()) continue;
    std::string name = text_at(sibling, "rfilename");
    if (is_safe_name(name)) listing.files.push_back(read_file(sibling, std::move(name)));
  }
  return listing;
}

std::vector<std::string> parts_of_index(const std::string& text) {
  const json index = json::parse(text, nullptr, false);
  const auto map = index.is_object() ? index.find("weight_map") : index.end();
  check(index.is_object() && map != index.end() && map->is_object(), ErrorCode::kFormat,
        "the index of its weights has no 'weight_map'");
  std::set<std::string> parts;
  for (const json& part : *map) {
    check(part.is_string(), ErrorCode::kFormat, "the index of its weights names a part that is no text");
    parts.insert(part.get<std::string>());
  }
  return {parts.begin(), parts.end()};
}

}  // namespace vitq
