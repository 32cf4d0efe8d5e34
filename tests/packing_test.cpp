// b-bit codes in bytes: there and back for every width, the order of the bits, and what a damaged file may hold.
#include "weights/packing.h"

#include <doctest/doctest.h>

#include <limits>
#include <vector>

#include "engine/error.h"
#include "tests/random_codes.h"

namespace vitq {

TEST_CASE("packing and unpacking return the codes, for every width and every tail") {
  for (int bits = 3; bits <= 8; ++bits) {
    for (const std::int64_t count : {0, 1, 2, 3, 5, 7, 8, 9, 31, 64, 1001}) {
      auto codes = test::random_codes<std::uint8_t>(count, count + bits, 0, (1 << bits) - 1);
      if (count > 0) codes.back() = static_cast<std::uint8_t>((1 << bits) - 1);
      const auto bytes = pack_bits(codes, bits);
      CHECK(std::ssize(bytes) == (count * bits + 7) / 8);
      CHECK(unpack_bits(bytes, count, bits) == codes);
    }
  }
}

TEST_CASE("the least significant bit comes first") {
  CHECK(pack_bits(std::vector<std::uint8_t>{0x1, 0xe}, 4) == std::vector<std::uint8_t>{0xe1});
  CHECK(pack_bits(std::vector<std::uint8_t>{1, 2, 7}, 3) == std::vector<std::uint8_t>{0xd1, 0x01});
  CHECK(pack_bits(std::vector<std::uint8_t>{0xab}, 8) == std::vector<std::uint8_t>{0xab});
}

TEST_CASE("unpacking refuses wrong sizes, set padding bits and odd widths") {
  const std::vector<std::uint8_t> bytes = {0xff, 0x01};
  CHECK(unpack_bits(bytes, 3, 3) == std::vector<std::uint8_t>{7, 7, 7});
  CHECK_THROWS_AS(unpack_bits(bytes, 2, 3), Error);  // one byte would do
  CHECK_THROWS_AS(unpack_bits(bytes, 6, 3), Error);  // needs three
  CHECK_THROWS_AS(unpack_bits(bytes, -1, 3), Error);
  CHECK_THROWS_AS(unpack_bits(bytes, std::numeric_limits<std::int64_t>::max(), 8), Error);
  CHECK_THROWS_AS(unpack_bits(bytes, 3, 2), Error);
  CHECK_THROWS_AS(unpack_bits(bytes, 2, 9), Error);
  CHECK_THROWS_AS(unpack_bits(std::vector<std::uint8_t>{0xff, 0x03}, 3, 3), Error);
  CHECK_THROWS_AS(pack_bits(std::vector<std::uint8_t>{8}, 3), Error);
  CHECK_THROWS_AS(pack_bits(std::vector<std::uint8_t>{0}, 1), Error);
}

TEST_CASE("a tail is clean unless a bit behind the last code is set") {
  for (int bits = 3; bits <= 8; ++bits) {
    for (std::int64_t count = 1; count <= 9; ++count) {
      auto bytes = pack_bits(std::vector<std::uint8_t>(count, static_cast<std::uint8_t>((1 << bits) - 1)), bits);
      CHECK(has_clean_tail(bytes, count, bits));
      if (count * bits % 8 == 0) continue;
      bytes.back() = static_cast<std::uint8_t>(bytes.back() | 0x80);
      CHECK_FALSE(has_clean_tail(bytes, count, bits));
    }
  }
}

}  // namespace vitq
