#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "engine/error.h"
#include "engine/kernels/softmax.h"
#include "tests/kernel_tables.h"
#include "tests/random.h"
#include "tests/random_codes.h"

using namespace vitq;
using test::random_codes;
using test::random_floats;

namespace {

struct Case {
  std::int64_t groups, heads, rows, columns;

  [[nodiscard]] std::int64_t all_rows() const { return groups * heads * rows; }
  [[nodiscard]] Tensor padded(void* data, std::int64_t stride, DType dtype) const {
    return {data, {all_rows(), columns}, {stride, 1}, Encoding{.dtype = dtype}};
  }
};

struct Result {
  std::vector<std::uint8_t> levels;
  std::vector<std::int32_t> sums;
};

Result run(const Case& s, std::vector<std::int32_t>& scores, float scale, std::span<const float> bias = {},
           std::span<const float> mask = {}, std::span<const std::uint8_t> table = {}) {
  const std::int64_t stride = padded_levels(s.columns);
  Result result{std::vector<std::uint8_t>(s.all_rows() * stride, 111), std::vector<std::int32_t>(s.all_rows())};
  softmax_codes(s.padded(scores.data(), padded_columns(s.columns), DType::kS32), scale,
                s.padded(result.levels.data(), stride, DType::kU8), result.sums,
                {.bias = bias, .mask = mask, .heads = s.heads, .tokens = s.rows},
                table.empty() ? SoftmaxLevels() : SoftmaxLevels(table));
  return result;
}

// Four levels, which climb in steps; in the second table they do not even rise. The third has too many for steps.
std::vector<std::vector<std::uint8_t>> tables() {
  std::vector<std::vector<std::uint8_t>> all(3, std::vector<std::uint8_t>(kSoftmaxTable));
  for (std::int64_t i = 0; i < kSoftmaxTable; ++i) {
    all[0][i] = i < 200 ? 0 : i < 1000 ? 40 : i < 3000 ? 128 : 255;
    all[1][i] = i < 200 ? 9 : i < 1000 ? 200 : i < 3000 ? 3 : 17;
    all[2][i] = static_cast<std::uint8_t>(i / 64 * 4);
  }
  return all;
}

}  // namespace

TEST_CASE("softmax_codes equals a scalar reference, with scale, bias, mask and table") {
  const test::EachKernelTable each;
  std::int64_t off = 0;
  std::int64_t total = 0;
  for (const Case& s : {Case{1, 1, 1, 1}, Case{1, 3, 197, 197}, Case{8, 2, 49, 49}, Case{2, 2, 5, 16},
                        Case{1, 2, 9, 31}, Case{1, 1, 4, 65}}) {
    const std::int64_t stride = padded_columns(s.columns);
    constexpr std::int64_t kMasks = 2;
    auto scores = random_codes<std::int32_t>(s.all_rows() * stride, 1, -30000, 30000);
    const auto bias = random_floats(s.heads * s.rows * stride, 2);
    const auto mask = random_floats(kMasks * s.rows * stride, 3, -5, 0);
    for (int mode = 0; mode < 8; ++mode) {
      const bool terms = mode % 2 == 1;
      const bool coded = mode >= 2;
      const auto table = coded ? tables()[mode / 2 - 1] : std::vector<std::uint8_t>();
      const auto result =
          run(s, scores, 1e-4F, terms ? bias : std::vector<float>(), terms ? mask : std::vector<float>(), table);
      std::int64_t wrong = 0;
      for (std::int64_t i = 0; i < s.all_rows(); ++i) {
        const std::int64_t group = i / (s.heads * s.rows);
        std::vector<double> row(s.columns);
        for (std::int64_t c = 0; c < s.columns; ++c) {
          row[c] = double{1e-4F} * scores[i * stride + c];
          if (terms) row[c] += bias[i % (s.heads * s.rows) * stride + c];
          if (terms) row[c] += mask[(group % kMasks * s.rows + i % s.rows) * stride + c];
        }
        const double most = *std::ranges::max_element(row);
        std::int32_t sum = 0;
        const std::uint8_t* levels = &result.levels[i * padded_levels(s.columns)];
        for (std::int64_t c = 0; c < s.columns; ++c) {
          sum += levels[c];
          const double e = std::exp(row[c] - most);
          ++total;
          if (coded) {
            const auto index = std::lround(std::nearbyint(e * 4095));
            const bool near =
                levels[c] == table[std::max(0L, index - 1)] || levels[c] == table[std::min(4095L, index + 1)];
            off += levels[c] != table[index];
            wrong += levels[c] != table[index] && !near;
          } else {
            off += levels[c] != static_cast<int>(std::nearbyint(e * 255));
            wrong += std::fabs(levels[c] - e * 255) > 0.501;
          }
        }
        wrong += sum != result.sums[i];
        for (std::int64_t c = s.columns; c < padded_levels(s.columns); ++c) wrong += levels[c] != 0;
      }
      CHECK(wrong == 0);
    }
  }
  // Where e falls on the border between two codes, float and double may part.
  CHECK(off <= total / 5000);
  MESSAGE(off, " of ", total, " levels differ from those of double precision");
}

TEST_CASE("few levels become steps, in the places where the table changes") {
  const auto all = tables();
  CHECK(SoftmaxLevels().even());
  for (const int few : {0, 1}) {
    const SoftmaxLevels levels(all[few]);
    CHECK(std::ssize(levels.steps()) == SoftmaxLevels::kMostSteps);
    std::int64_t wrong = 0;
    for (std::int64_t i = 0; i < kSoftmaxTable; ++i) {
      const double x = i == 0 ? -100 : std::log(static_cast<double>(i) / (kSoftmaxTable - 1));
      int level = all[few][0];
      for (const auto& step : levels.steps()) level += x >= step.from ? step.rise : 0;
      wrong += level != all[few][i];
    }
    CHECK(wrong == 0);
  }
  CHECK(SoftmaxLevels(all[2]).steps().empty());
  CHECK(SoftmaxLevels(all[2]).table() == all[2]);
}

TEST_CASE("softmax_codes of extreme rows: the largest score is 255, and padding never counts") {
  const test::EachKernelTable each;
  const Case s{1, 1, 5, 3};
  constexpr std::int32_t kFar = (1 << 30) - 1;
  // Three columns, then the padding: whatever lies there.
  std::vector<std::int32_t> scores(5 * 16, kFar);
  const std::vector<std::vector<std::int32_t>> rows = {
      {kFar, -kFar, 0}, {5, 5, 5}, {-kFar, -kFar, -kFar}, {0, 0, 1}, {-7, -8, -9}};
  for (std::size_t r = 0; r < rows.size(); ++r) std::ranges::copy(rows[r], &scores[r * 16]);
  for (const bool coded : {false, true}) {
    std::vector<std::uint8_t> table(coded ? kSoftmaxTable : 0, 3);
    if (coded) table.back() = 255;
    const auto plain = run(s, scores, 10.0F, {}, {}, table);
    const std::uint8_t least = coded ? 3 : 0;
    const std::vector<std::vector<std::uint8_t>> expected = {
        {255, least, least}, {255, 255, 255}, {255, 255, 255}, {least, least, 255}, {255, least, least}};
    for (std::size_t r = 0; r < rows.size(); ++r) {
      for (int c = 0; c < 3; ++c) CHECK(plain.levels[r * 64 + c] == expected[r][c]);
      for (int c = 3; c < 64; ++c) REQUIRE(plain.levels[r * 64 + c] == 0);
      CHECK(plain.sums[r] == expected[r][0] + expected[r][1] + expected[r][2]);
    }
    const std::vector<float> none(5 * 16, 0.0F);
    const auto masked = run(s, scores, 10.0F, {}, none, table);
    CHECK(masked.levels == plain.levels);
  }
  const float inf = std::numeric_limits<float>::infinity();
  std::vector<float> mask(5 * 16, 0.0F);
  mask[1 * 16 + 2] = -inf;
  CHECK(run(s, scores, 1.0F, {}, mask).sums[1] == 510);
  // Nonsense stays where it is, and inside the table.
  mask[2 * 16 + 1] = std::numeric_limits<float>::quiet_NaN();
  mask[3 * 16 + 1] = inf;
  const std::vector<std::uint8_t> table(kSoftmaxTable, 9);
  CHECK(run(s, scores, 1.0F, {}, mask, table).sums == std::vector<std::int32_t>(5, 27));
}

TEST_CASE("softmax_codes refuses what it was not planned for") {
  const Case s{1, 2, 4, 4};
  std::vector<std::int32_t> scores(8 * 16);
  CHECK_THROWS_AS(run(s, scores, 1.0F, std::vector<float>(3)), Error);
  CHECK_THROWS_AS(run(s, scores, 1.0F, {}, std::vector<float>(3)), Error);
  CHECK_THROWS_AS(run(s, scores, 1.0F, {}, {}, std::vector<std::uint8_t>(256, 1)), Error);
  CHECK_THROWS_AS(run(s, scores, 0.0F), Error);
  CHECK_THROWS_AS(run(s, scores, 1.0F, {}, {}, std::vector<std::uint8_t>(kSoftmaxTable, 0)), Error);
  std::vector<float> floats(8 * 16);
  CHECK_THROWS_AS(softmax_codes(s.padded(floats.data(), 16, DType::kF32), 1.0F, s.padded(floats.data(), 64, DType::kU8),
                                std::span(scores).first(8)),
                  Error);
  std::vector<std::uint8_t> codes(8 * 64);
  const auto into = [&](std::span<std::int32_t> row_sums) {
    softmax_codes(s.padded(scores.data(), 16, DType::kS32), 1.0F, s.padded(codes.data(), 64, DType::kU8), row_sums);
  };
  CHECK_THROWS_WITH_AS(into(std::span(scores).first(7)), "softmax_codes: 7 row sums for 8 rows", Error);
  CHECK_NOTHROW(into(std::span(scores).first(8)));
}
