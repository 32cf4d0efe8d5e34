#pragma once
// Codes of 3 to 8 bits as a file stores them: one after the other, the least significant bit first. A matrix is packed
// row by row, so that every row begins on a byte.

#include <cstdint>
#include <span>
#include <vector>

namespace vitq {

/// Bytes of `count` codes of `bits` bits. Throws Error unless 3 <= bits <= 8 and 0 <= count <= 2^48.
std::int64_t packed_bytes(std::int64_t count, int bits);

/// `codes`, `bits` (3..8) bits each, without gaps; only the last byte is filled up with zero bits. Throws Error where a
/// code is 2^bits or more.
std::vector<std::uint8_t> pack_bits(std::span<const std::uint8_t> codes, int bits);

/// The `count` codes of pack_bits. Throws Error unless `bytes` is just as long as they need and the last byte's unused
/// bits are zero.
std::vector<std::uint8_t> unpack_bits(std::span<const std::uint8_t> bytes, std::int64_t count, int bits);

/// Whether the bits behind the last of `count` codes are zero. `bytes` is packed_bytes(count, bits) long.
bool has_clean_tail(std::span<const std::uint8_t> bytes, std::int64_t count, int bits);

}  // namespace vitq
