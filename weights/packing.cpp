#include "weights/packing.h"

#include "engine/error.h"

namespace vitq {

std::int64_t packed_bytes(std::int64_t count, int bits) {
  check(bits >= 3 && bits <= 8, "packed codes: ", bits, " bits, expected 3 to 8");
  check(count >= 0 && count <= std::int64_t{1} << 48, "packed codes: ", count, " codes, expected 0 to 2^48");
  return (count * bits + 7) / 8;
}

std::vector<std::uint8_t> pack_bits(std::span<const std::uint8_t> codes, int bits) {
  std::vector<std::uint8_t> bytes;
  bytes.reserve(packed_bytes(std::ssize(codes), bits));
  unsigned pending = 0;
  int filled = 0;
  for (const std::uint8_t code : codes) {
    check(code >> bits == 0, "packed codes: the code ", int{code}, " does not fit ", bits, " bits");
    pending |= unsigned{code} << filled;
    filled += bits;
    while (filled >= 8) {
      bytes.push_back(static_cast<std::uint8_t>(pending & 0xffU));
      pending >>= 8;
      filled -= 8;
    }
  }
  if (filled > 0) bytes.push_back(static_cast<std::uint8_t>(pending));
  return bytes;
}

std::vector<std::uint8_t> unpack_bits(std::span<const std::uint8_t> bytes, std::int64_t count, int bits) {
  check(std::ssize(bytes) == packed_bytes(count, bits), ErrorCode::kFormat, "packed codes: ", bytes.size(),
        " bytes for ", count, " codes of ", bits, " bits; the file is cut short or damaged");
  std::vector<std::uint8_t> codes(count);
  const unsigned mask = (1U << bits) - 1;
  unsigned pending = 0;
  int filled = 0;
  std::size_t next = 0;
  for (std::uint8_t& code : codes) {
    if (filled < bits) {
      pending |= unsigned{bytes[next++]} << filled;
      filled += 8;
    }
    code = static_cast<std::uint8_t>(pending & mask);
    pending >>= bits;
    filled -= bits;
  }
  check(pending == 0, ErrorCode::kFormat, "packed codes: unused bits of the last byte are set; the file is damaged");
  return codes;
}

bool has_clean_tail(std::span<const std::uint8_t> bytes, std::int64_t count, int bits) {
  const auto used = static_cast<int>(count * bits % 8);
  return used == 0 || bytes.back() >> used == 0;
}

}  // namespace vitq
