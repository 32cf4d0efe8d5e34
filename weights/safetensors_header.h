#pragma once
// The JSON header of a safetensors file, read event by event: no tree is built, nothing nests deeper than the format
// does, and a name that comes twice is seen (a tree would silently keep the last).

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace vitq {

/// What the header says of one tensor, types checked, values not yet.
struct HeaderTensor {
  std::string dtype;
  std::vector<std::uint64_t> shape;
  std::vector<std::uint64_t> data_offsets;
};

struct SafetensorsHeader {
  std::map<std::string, std::string> metadata;
  std::map<std::string, HeaderTensor> tensors;
};

/// Parses the header's `json`. Every Error begins with `source`, the file's name.
SafetensorsHeader parse_safetensors_header(std::string_view json, const std::string& source);

}  // namespace vitq
