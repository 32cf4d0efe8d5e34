#pragma once
// Numbers in the bytes of a picture file, of either byte order. The caller has checked that they are there.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace vitq {

using Bytes = std::span<const std::uint8_t>;

inline std::uint32_t be16(Bytes bytes, std::size_t at) { return bytes[at] * 256U + bytes[at + 1]; }
inline std::uint32_t be32(Bytes bytes, std::size_t at) { return be16(bytes, at) << 16 | be16(bytes, at + 2); }
inline std::uint32_t le16(Bytes bytes, std::size_t at) { return bytes[at + 1] * 256U + bytes[at]; }
inline std::uint32_t le32(Bytes bytes, std::size_t at) { return le16(bytes, at + 2) << 16 | le16(bytes, at); }

/// Whether `magic` stands at `at`.
inline bool has(Bytes bytes, std::size_t at, std::string_view magic) {
  return bytes.size() >= at + magic.size() && std::memcmp(bytes.data() + at, magic.data(), magic.size()) == 0;
}

}  // namespace vitq
