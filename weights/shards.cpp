#include "weights/shards.h"

#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <string_view>

#include "engine/error.h"
#include "weights/flat_json.h"
#include "weights/printable.h"

namespace vitq {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kMap = "weight_map.";

/// Tensor by tensor the file that holds it.
std::map<std::string, std::string> read_index(const fs::path& path) {
  std::ifstream stream(path);
  check(stream.is_open(), ErrorCode::kFile, path.string(), ": cannot be read, expected the index of a checkpoint");
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  const auto json = flatten_json(text);
  check(json.has_value(), ErrorCode::kFormat, path.string(), ": is no JSON, expected the index of a checkpoint");
  std::map<std::string, std::string> map;
  for (auto entry = json->values.lower_bound(std::string(kMap));
       entry != json->values.end() && entry->first.starts_with(kMap); ++entry) {
    const auto& [name, values] = *entry;
    const std::string tensor = name.substr(kMap.size());
    check(values.size() == 1 && values.front().is_text, ErrorCode::kFormat, path.string(), ": says of tensor ",
          printable(tensor), " not once which file it is in");
    map[tensor] = values.front().text;
  }
  check(!map.empty(), ErrorCode::kFormat, path.string(),
        ": has no \"weight_map\", expected which tensor is in which file");
  return map;
}

/// Only a plain name: an index is a stranger's text, and must not lead elsewhere.
void check_stays(const fs::path& index, const std::string& name) {
  const fs::path path(name);
  const bool is_plain = !name.empty() && path.filename() == path && name != "." && name != ".." &&
                        name.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos;
  check(is_plain, ErrorCode::kFormat, index.string(), ": names the file ", printable(name),
        ", expected one in the same folder");
}

}  // namespace

bool is_shard_index(const fs::path& path) { return path.filename().string().ends_with(".index.json"); }

std::vector<SafetensorsFile> open_shards(const fs::path& index) {
  const std::map<std::string, std::string> map = read_index(index);
  std::map<std::string, std::size_t> places;  // of the files by name
  for (const auto& [tensor, file] : map) {
    check_stays(index, file);
    places.emplace(file, 0);
  }
  std::vector<SafetensorsFile> files;
  std::map<std::string_view, const std::string*> holders;
  for (auto& [name, place] : places) {
    const fs::path path = index.parent_path() / name;
    std::error_code ignored;
    check(fs::exists(path, ignored), ErrorCode::kFile, index.string(), ": names ", printable(name),
          ", which is not beside it; expected all parts of the checkpoint");
    place = files.size();
    files.emplace_back(path);
    for (const FileTensor& tensor : files.back().tensors()) {
      const auto [other, is_new] = holders.emplace(tensor.name, &name);
      check(is_new, ErrorCode::kFormat, index.string(), ": tensor ", printable(tensor.name), " is in ",
            printable(*other->second), " and in ", printable(name), ", expected it in one");
    }
  }
  for (const auto& [tensor, file] : map) {
    check(files[places.at(file)].find(tensor) != nullptr, ErrorCode::kFormat, index.string(), ": tensor ",
          printable(tensor), " is not in ", printable(file), ", where the index says it is");
  }
  return files;
}

std::vector<SafetensorsFile> open_files(const fs::path& path) {
  if (is_shard_index(path)) return open_shards(path);
  std::vector<SafetensorsFile> files;
  files.emplace_back(path);
  return files;
}

}  // namespace vitq
