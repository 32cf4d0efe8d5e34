#pragma once
// PyTorch checkpoints put together by hand, so that a test can put any lie into one: pickles as text, and a zip of
// stored entries.

#include <array>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace vitq::test {

/// The bytes of a number, little-endian.
template <class Number>
std::string raw(std::type_identity_t<Number> value) {
  std::string bytes(sizeof(Number), '\0');
  std::memcpy(bytes.data(), &value, sizeof(Number));
  return bytes;
}

/// What stands in a pickle for an object; `+` and `all` put them together.
namespace pickled {

inline std::string whole(std::string_view body) { return "\x80\x02" + std::string(body) + '.'; }
inline std::string text(std::string_view value) {
  return 'X' + raw<std::uint32_t>(static_cast<std::uint32_t>(value.size())) + std::string(value);
}
inline std::string integer(std::int64_t value) { return "\x8a\x08" + raw<std::int64_t>(value); }
inline std::string global(std::string_view module, std::string_view name) {
  return 'c' + std::string(module) + '\n' + std::string(name) + '\n';
}
inline std::string all(const std::vector<std::string>& parts) {
  std::string joined;
  for (const std::string& part : parts) joined += part;
  return joined;
}
inline std::string tuple(const std::vector<std::string>& parts) { return '(' + all(parts) + 't'; }
inline std::string integers(const std::vector<std::int64_t>& values) {
  std::vector<std::string> parts;
  parts.reserve(values.size());
  for (const std::int64_t value : values) parts.push_back(integer(value));
  return tuple(parts);
}
/// Keys and values by turns.
inline std::string dict(const std::vector<std::string>& items) { return "}(" + all(items) + 'u'; }
inline std::string call(const std::string& callee, const std::string& arguments) { return callee + arguments + 'R'; }
inline std::string ordered_dict() { return call(global("collections", "OrderedDict"), ")"); }

/// A tensor as torch.save tells of it; each part can be made to lie.
struct TensorParts {
  std::string type = "FloatStorage";
  std::string storage = "0";
  std::int64_t elements = 6;
  std::int64_t offset = 0;
  std::vector<std::int64_t> size = {2, 3};
  std::vector<std::int64_t> stride = {3, 1};
  std::string more = "";  ///< a seventh part
};

inline std::string tensor(const TensorParts& parts = {}) {
  const std::string storage =
      tuple({text("storage"), global("torch", parts.type), text(parts.storage), text("cpu"), integer(parts.elements)}) +
      'Q';
  return call(global("torch._utils", "_rebuild_tensor_v2"),
              tuple({storage, integer(parts.offset), integers(parts.size), integers(parts.stride), "\x89",
                     ordered_dict(), parts.more}));
}

}  // namespace pickled

inline std::uint32_t crc32(std::string_view bytes) {
  std::uint32_t crc = ~0U;
  for (const char byte : bytes) {
    crc ^= static_cast<std::uint8_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc % 2 != 0 ? 0xedb88320U : 0U);
  }
  return ~crc;
}

struct ZipEntry {
  std::string name;
  std::string bytes;
  std::uint16_t method = 0;  ///< 8 says that it is deflated
};

/// A zip of these entries: local headers and bytes, then the directory, then its end.
inline std::string zip_of(const std::vector<ZipEntry>& entries) {
  using U16 = std::uint16_t;
  using U32 = std::uint32_t;
  std::string file;
  std::string directory;
  for (const auto& [name, bytes, method] : entries) {
    const auto size = static_cast<U32>(bytes.size());
    const std::string facts = raw<U16>(method) + raw<U32>(0) + raw<U32>(crc32(bytes)) + raw<U32>(size) +
                              raw<U32>(size) + raw<U16>(static_cast<U16>(name.size())) + raw<U16>(0);
    directory += raw<U32>(0x02014b50) + raw<U16>(10) + raw<U16>(10) + raw<U16>(0) + facts + std::string(10, '\0') +
                 raw<U32>(static_cast<U32>(file.size()));
    directory += name;
    file += raw<U32>(0x04034b50) + raw<U16>(10) + raw<U16>(0) + facts;
    file += name;
    file += bytes;
  }
  const auto count = static_cast<U16>(entries.size());
  return file + directory + raw<U32>(0x06054b50) + raw<U32>(0) + raw<U16>(count) + raw<U16>(count) +
         raw<U32>(static_cast<U32>(directory.size())) + raw<U32>(static_cast<U32>(file.size())) + raw<U16>(0);
}

/// A checkpoint with this pickle and these storages, "0", "1", ...
inline std::string torch_file(const std::string& pickle, const std::vector<std::string>& storages) {
  std::vector<ZipEntry> entries{{"archive/data.pkl", pickle}};
  for (std::size_t i = 0; i < storages.size(); ++i) {
    entries.push_back({"archive/data/" + std::to_string(i), storages[i]});
  }
  entries.push_back({"archive/version", "3\n"});
  return zip_of(entries);
}

/// The bytes of floats.
inline std::string floats(const std::vector<float>& values) {
  std::string bytes;
  for (const float value : values) bytes += raw<float>(value);
  return bytes;
}

}  // namespace vitq::test
