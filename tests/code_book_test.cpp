#include "engine/kernels/code_book.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <numeric>
#include <vector>

#include "engine/encoding.h"
#include "engine/error.h"
#include "tests/kernel_tables.h"
#include "tests/random_codes.h"

using namespace vitq;
using test::random_codes;

namespace {

using Levels = std::vector<std::uint8_t>;

// The definition: the first of the levels that are least far away.
int nearest(const Levels& levels, int code) {
  int best = levels.front();
  for (const int level : levels) best = std::abs(level - code) < std::abs(best - code) ? level : best;
  return best;
}

// Each of the 256 codes with this probability, in percent.
Levels random_levels(int percent, std::uint64_t seed) {
  const auto draws = random_codes<int>(256, seed, 0, 99);
  Levels levels;
  for (int code = 0; code < 256; ++code) {
    if (draws[code] < percent) levels.push_back(static_cast<std::uint8_t>(code));
  }
  return levels;
}

}  // namespace

TEST_CASE("code book: every code goes to the level nearest to it") {
  for (const int percent : {1, 5, 30, 90, 99}) {
    for (std::uint64_t seed = 0; seed < 8; ++seed) {
      const Levels levels = random_levels(percent, seed);
      if (levels.empty()) continue;
      const CodeBook book = nearest_levels(levels);
      int wrong = 0;
      for (int code = 0; code < 256; ++code) wrong += book[code] != nearest(levels, code);
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("code book: half-way between two levels the lower one is taken") {
  const CodeBook book = nearest_levels(Levels{10, 20, 21, 255});
  CHECK(book[0] == 10);
  CHECK(book[15] == 10);
  CHECK(book[16] == 20);
  CHECK(book[20] == 20);
  CHECK(book[138] == 21);  // 117 from both
  CHECK(book[139] == 255);
  CHECK(book[255] == 255);
}

TEST_CASE("code book: one level takes all codes, all levels leave each as it is") {
  for (const int level : {0, 77, 255}) {
    CodeBook all{};
    all.fill(static_cast<std::uint8_t>(level));
    CHECK(nearest_levels(Levels{static_cast<std::uint8_t>(level)}) == all);
  }
  CodeBook identity{};
  std::iota(identity.begin(), identity.end(), std::uint8_t{0});
  CHECK(nearest_levels(identity) == identity);
}

TEST_CASE("code book: levels that do not ascend, none and too many are refused") {
  CHECK_THROWS_WITH_AS(nearest_levels({}), "code book: 0 levels, expected 1 to 256", Error);
  CHECK_THROWS_WITH_AS(nearest_levels(Levels(257)), "code book: 257 levels, expected 1 to 256", Error);
  CHECK_THROWS_WITH_AS(nearest_levels(Levels{3, 7, 7}), "code book: level 2 is 7, expected more than 7, the one before",
                       Error);
  CHECK_THROWS_AS(nearest_levels(Levels{3, 7, 5}), Error);
}

TEST_CASE("code book: a look-up of any length and alignment, by a book of any content") {
  const test::EachKernelTable each;
  auto book = random_codes<std::uint8_t>(256, 3, 0, 255);  // the ends come often: not what a scalar loop would mask
  for (int i = 0; i < 256; i += 3) book[i] = static_cast<std::uint8_t>(255 - i);
  for (const std::int64_t count : {0, 1, 15, 63, 64, 65, 127, 128, 200, 256, 1536, 1537}) {
    for (const std::int64_t shift : {0, 1, 33}) {
      Levels codes = random_codes<std::uint8_t>(count + shift + 1, 5, 0, 255);
      for (std::int64_t i = 0; i < std::min<std::int64_t>(count, 256); ++i)
        codes[shift + i] = static_cast<std::uint8_t>(i);
      Levels expected = codes;
      for (std::int64_t i = 0; i < count; ++i) expected[shift + i] = book[codes[shift + i]];
      look_up(book.data(), codes.data() + shift, count);
      CHECK(codes == expected);
    }
  }
}

TEST_CASE("code book: an encoding with one says so and differs from one without, and from one with another") {
  const CodeBook book{};
  const CodeBook other{};
  const Encoding even{.dtype = DType::kU8, .scale = 0.5F, .zero_point = 7};
  Encoding uneven = even;
  uneven.code_book = book.data();
  CHECK(to_string(even) == "u8 of 8 bits (scale 0.5, zero point 7)");
  CHECK(to_string(uneven) == "u8 of 8 bits (scale 0.5, zero point 7), with a code book");
  CHECK(uneven != even);
  Encoding another = uneven;
  CHECK(another == uneven);
  another.code_book = other.data();
  CHECK(another != uneven);
}
