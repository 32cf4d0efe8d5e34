#include "engine/kernels/l2_norm.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/error.h"
#include "tests/kernel_tables.h"
#include "tests/random.h"

using namespace vitq;

TEST_CASE("l2_norm brings each head to its length, leaves what lies beside the rows alone, and zeros as they are") {
  const test::EachKernelTable each;
  constexpr std::int64_t kRows = 37;
  const std::vector<float> lengths = {1.0F, 23.8F, 0.25F};
  const std::int64_t heads = std::ssize(lengths);
  for (const std::int64_t width : {1, 7, 16, 20, 32, 72}) {
    CAPTURE(width);
    const std::int64_t columns = heads * width;
    const std::int64_t stride = columns + 5;
    auto before = test::random_floats(kRows * stride, 3, -4, 4);
    std::fill_n(before.begin() + 2 * stride + width, width, 0.0F);
    std::fill_n(before.begin() + 3 * stride, width, 1e-20F);  // shorter than the least length that counts
    auto x = before;
    l2_norm(Tensor(x.data(), {kRows, columns}, {stride, 1}), width, lengths);
    double worst = 0;
    for (std::int64_t r = 0; r < kRows; ++r) {
      for (std::int64_t h = 0; h < heads; ++h) {
        const float* from = &before[r * stride + h * width];
        double square = 0;
        for (std::int64_t c = 0; c < width; ++c) square += double{from[c]} * from[c];
        const double factor = lengths[h] / std::max(std::sqrt(square), 1e-12);
        for (std::int64_t c = 0; c < width; ++c) {
          worst = std::max(worst, std::fabs(x[r * stride + h * width + c] - from[c] * factor) / lengths[h]);
        }
      }
      CHECK(std::equal(&before[r * stride + columns], &before[r * stride + stride - 1], &x[r * stride + columns]));
    }
    CHECK(worst < 5e-7);
  }
}

TEST_CASE("l2_norm refuses rows that are not of the heads") {
  std::vector<float> x(12);
  const std::vector<float> lengths = {1, 2};
  CHECK_THROWS_WITH_AS(l2_norm(Tensor(x.data(), {2, 6}), 2, lengths),
                       "l2_norm: expected f32 [rows, 2 heads of 2], found [2, 6]", Error);
  CHECK_THROWS_AS(l2_norm(Tensor(x.data(), {2, 4}, kBfloat16), 2, lengths), Error);
}
