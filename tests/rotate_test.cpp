#include "engine/kernels/rotate.h"

#include <doctest/doctest.h>

#include <vector>

#include "engine/error.h"
#include "tests/kernel_tables.h"
#include "tests/random.h"

using namespace vitq;

TEST_CASE("rotate turns each pair of each head's columns, and leaves the prefix alone") {
  const test::EachKernelTable each;
  constexpr std::int64_t kTokens = 4;
  constexpr std::int64_t kPrefix = 1;
  constexpr std::int64_t kHeads = 3;
  constexpr std::int64_t kFirst = 2;  // of all rows: token 2 of the first group
  constexpr std::int64_t kRows = 5;
  for (const std::int64_t width : {4, 16, 20, 64, 72}) {
    CAPTURE(width);
    const auto cosine = test::random_floats((kTokens - kPrefix) * width, 1);
    const auto sine = test::random_floats((kTokens - kPrefix) * width, 2);
    const auto before = test::random_floats(kRows * kHeads * width, 3);
    for (const bool pairs : {false, true}) {
      auto x = before;
      rotate(Tensor(x.data(), {kRows, kHeads * width}), kFirst, kTokens, width,
             {.cosine = cosine, .sine = sine, .prefix = kPrefix, .pairs_neighbours = pairs});
      for (std::int64_t r = 0; r < kRows; ++r) {
        const std::int64_t patch = (kFirst + r) % kTokens - kPrefix;
        for (std::int64_t c = 0; c < kHeads * width; ++c) {
          const std::int64_t at = c % width;
          const std::int64_t other = pairs ? at ^ 1 : (at + width / 2) % width;
          const double own = before[r * kHeads * width + c];
          const double partner = before[r * kHeads * width + c - at + other];
          const double wanted = patch < 0 ? own : own * cosine[patch * width + at] + partner * sine[patch * width + at];
          CHECK(x[r * kHeads * width + c] == doctest::Approx(wanted).epsilon(1e-6).scale(1));
        }
      }
    }
  }
}

TEST_CASE("rotate refuses tables of another size and heads of an odd width") {
  std::vector<float> x(12);
  const std::vector<float> table(6);
  CHECK_THROWS_WITH_AS(rotate(Tensor(x.data(), {2, 6}), 0, 2, 2, {.cosine = table, .sine = table}),
                       "rotate: tables of 6 and 6, expected [2, 2]", Error);
  CHECK_THROWS_WITH_AS(rotate(Tensor(x.data(), {2, 6}), 0, 2, 3, {.cosine = table, .sine = table}),
                       "rotate: expected f32 rows of heads of an even width, found [2, 6] for heads of 3", Error);
}
