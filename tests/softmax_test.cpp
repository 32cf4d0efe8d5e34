#include "engine/kernels/softmax.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "engine/error.h"
#include "tests/kernel_tables.h"
#include "tests/random.h"

using namespace vitq;
using test::random_floats;

namespace {

struct Shape4 {
  std::int64_t groups, heads, rows, columns;
};

Tensor view(std::vector<float>& scores, const Shape4& s) {
  const std::int64_t stride = padded_columns(s.columns);
  return {scores.data(), {s.groups * s.heads * s.rows, s.columns}, {stride, 1}};
}

}  // namespace

TEST_CASE("softmax equals a scalar reference, with scale, bias and mask") {
  const test::EachKernelTable each;
  for (const Shape4& s : {Shape4{1, 1, 1, 1}, Shape4{1, 3, 197, 197}, Shape4{8, 2, 49, 49}, Shape4{2, 2, 5, 16}}) {
    const std::int64_t stride = padded_columns(s.columns);
    constexpr std::int64_t kMasks = 2;
    const auto scores = random_floats(s.groups * s.heads * s.rows * stride, 1, -20, 20);
    const auto bias = random_floats(s.heads * s.rows * stride, 2);
    const auto mask = random_floats(kMasks * s.rows * stride, 3, -5, 0);
    for (const bool biased : {false, true}) {
      auto actual = scores;
      ScoreTerms terms{.heads = s.heads, .tokens = s.rows};
      if (biased) terms.bias = bias;
      if (biased) terms.mask = mask;
      softmax(view(actual, s), 0.125F, terms);
      double worst = 0;
      for (std::int64_t i = 0; i < s.groups * s.heads * s.rows; ++i) {
        const std::int64_t group = i / (s.heads * s.rows);
        std::vector<double> row(s.columns);
        for (std::int64_t c = 0; c < s.columns; ++c) {
          row[c] = 0.125 * scores[i * stride + c];
          if (biased) row[c] += bias[i % (s.heads * s.rows) * stride + c];
          if (biased) row[c] += mask[(group % kMasks * s.rows + i % s.rows) * stride + c];
        }
        const double most = *std::ranges::max_element(row);
        double total = 0;
        for (double& value : row) total += value = std::exp(value - most);
        for (std::int64_t c = 0; c < s.columns; ++c) {
          worst = std::max(worst, std::fabs(actual[i * stride + c] - row[c] / total));
        }
      }
      CHECK(worst < 1e-6);
    }
  }
}

TEST_CASE("softmax of huge, equal and -inf scores") {
  const test::EachKernelTable each;
  const Shape4 s{1, 1, 3, 4};
  const float inf = std::numeric_limits<float>::infinity();
  std::vector<float> scores(3 * 16, 0.0F);
  const std::vector<std::vector<float>> rows = {{1e30F, -1e30F, 0, 0}, {5, 5, 5, 5}, {-inf, 0, -inf, 0}};
  for (std::size_t r = 0; r < rows.size(); ++r) std::ranges::copy(rows[r], &scores[r * 16]);
  softmax(view(scores, s), 1.0F);
  CHECK(scores[0] == 1.0F);
  CHECK(scores[1] == 0.0F);
  for (int c = 0; c < 4; ++c) CHECK(scores[16 + c] == 0.25F);
  CHECK(scores[32] == 0.0F);
  CHECK(scores[33] == 0.5F);
}

TEST_CASE("softmax refuses what it was not planned for") {
  std::vector<float> values(4096);
  const std::vector<float> three(3);
  CHECK_THROWS_AS(softmax(Tensor(values.data(), {4, 4}), 1.0F), Error);  // rows not padded
  const Shape4 s{1, 2, 4, 4};
  CHECK_THROWS_AS(softmax(view(values, s), 1.0F, {.bias = three}), Error);
  CHECK_THROWS_AS(softmax(view(values, s), 1.0F, {.mask = three}), Error);
}
