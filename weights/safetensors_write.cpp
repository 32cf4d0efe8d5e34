#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "weights/atomic_file.h"
#include "weights/printable.h"
#include "weights/safetensors.h"

namespace vitq {
namespace {

constexpr std::size_t kDataAlignment = 64;  // a cache line; the format itself asks for 8

std::string json_string(const std::string& text, const std::string& source) {
  try {
    return nlohmann::json(text).dump();
  } catch (const nlohmann::json::exception&) {
    fail(source, ": cannot be written: ", printable(text), " is not valid UTF-8");
  }
}

/// By falling element size, then name, so that no tensor begins off the alignment of its own elements.
std::vector<const FileTensor*> in_file_order(const std::vector<FileTensor>& tensors, const std::string& source) {
  std::vector<const FileTensor*> order;
  order.reserve(tensors.size());
  for (const FileTensor& tensor : tensors) order.push_back(&tensor);
  std::sort(order.begin(), order.end(), [](const FileTensor* a, const FileTensor* b) { return a->name < b->name; });
  const auto twin = std::adjacent_find(order.begin(), order.end(),
                                       [](const FileTensor* a, const FileTensor* b) { return a->name == b->name; });
  check(twin == order.end(), source, ": cannot be written: tensor ",
        twin == order.end() ? "" : printable((*twin)->name), " comes twice");
  std::stable_sort(order.begin(), order.end(), [](const FileTensor* a, const FileTensor* b) {
    return dtype_bits(a->dtype) > dtype_bits(b->dtype);
  });
  return order;
}

/// The JSON, padded with blanks to where the data may begin.
std::string header_text(const std::vector<const FileTensor*>& order, const std::map<std::string, std::string>& metadata,
                        const std::string& source) {
  std::string text = "{";
  if (!metadata.empty()) {
    text += "\"__metadata__\":{";
    for (const auto& [key, value] : metadata) {
      text += json_string(key, source) + ":" + json_string(value, source) + ",";
    }
    text.back() = '}';
    text += ',';
  }
  std::size_t offset = 0;
  for (const FileTensor* tensor : order) {
    const std::size_t end = offset + tensor->bytes.size();
    text += json_string(tensor->name, source) + ":{\"dtype\":\"" + std::string(dtype_name(tensor->dtype)) +
            "\",\"shape\":" + nlohmann::json(tensor->shape).dump() + ",\"data_offsets\":[" + std::to_string(offset) +
            "," + std::to_string(end) + "]},";
    offset = end;
  }
  if (text.size() > 1) text.pop_back();
  text += '}';
  text.resize((8 + text.size() + kDataAlignment - 1) / kDataAlignment * kDataAlignment - 8, ' ');
  return text;
}

}  // namespace

void write_safetensors(const std::filesystem::path& path, const std::vector<FileTensor>& tensors,
                       const std::map<std::string, std::string>& metadata) {
  const std::string source = path.string();
  for (const FileTensor& tensor : tensors) {
    check(tensor.name != "__metadata__", source, ": cannot be written: no tensor may be named __metadata__");
    const std::int64_t expected = byte_count(tensor.dtype, tensor.shape);
    check(static_cast<std::int64_t>(tensor.bytes.size()) == expected, source, ": cannot be written: tensor ",
          printable(tensor.name), " has ", tensor.bytes.size(), " bytes, but ", dtype_name(tensor.dtype), " ",
          to_string(tensor.shape), " takes ", expected);
  }
  const std::vector<const FileTensor*> order = in_file_order(tensors, source);
  const std::string header = header_text(order, metadata, source);
  const std::uint64_t length = header.size();
  char length_bytes[sizeof(length)];
  std::memcpy(length_bytes, &length, sizeof(length));

  AtomicFile file(path);
  file.write(std::string_view(length_bytes, sizeof(length)));
  file.write(header);
  for (const FileTensor* tensor : order) file.write(tensor->bytes);
  file.commit();
}

}  // namespace vitq
