#include "quant/observer.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "engine/error.h"
#include "engine/threads.h"
#include "tests/kernel_tables.h"
#include "tests/random.h"

using namespace vitq;
using test::random_floats;

namespace {

// Long-tailed values: most near the centre, few far out.
std::vector<float> long_tailed(std::int64_t count, std::uint64_t seed) {
  auto values = random_floats(count, seed);
  for (float& x : values) x = x * x * x * x * x * 20 + 0.5F;
  return values;
}

// numpy.quantile(values, p), by sorting.
double sorted_quantile(std::vector<double> values, double p) {
  std::ranges::sort(values);
  const double at = p * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (at - static_cast<double>(below)) * (values[above] - values[below]);
}

double mse_of(const std::vector<float>& values, double scale, double zero_point, double lowest, double highest) {
  double total = 0;
  for (const float x : values) {
    const double code = std::clamp(std::nearbyint(x / scale) + zero_point, lowest, highest);
    total += std::pow((code - zero_point) * scale - x, 2);
  }
  return total / static_cast<double>(values.size());
}

// docs/quantization.md, section "Codes and grids", word by word; `least` is the floor of the range.
void check_against_reference(const std::vector<float>& values, const Observation& found, double least = 1e-8) {
  const std::vector<double> doubles(values.begin(), values.end());
  const int steps = (1 << found.bits) - 1;
  double best = std::numeric_limits<double>::infinity();
  std::vector<double> scales;
  for (const double p : {0.999, 0.9999, 0.99999, 1.0}) {
    const double lo = sorted_quantile(doubles, 1 - p);
    const double hi = sorted_quantile(doubles, p);
    const double scale = std::max(hi - lo, least) / steps;
    scales.push_back(scale);
    best = std::min(best, mse_of(values, scale, std::nearbyint(-lo / scale), 0, steps));
  }
  CHECK(found.mse == doctest::Approx(best).epsilon(1e-3));
  CHECK(std::ranges::any_of(scales, [&](double s) { return std::fabs(s / found.grid.scale - 1) < 1e-6; }));
  CHECK(found.grid.lowest == 0);
  CHECK(found.grid.highest == steps);
  CHECK(found.mse == doctest::Approx(mse_of(values, found.grid.scale, found.grid.zero_point, 0, steps)).epsilon(1e-3));
}

}  // namespace

TEST_CASE("the scalar quantizer rounds half to even, clamps and decodes") {
  const UniformGrid grid{0.5F, 10, 0, 15};
  CHECK(encode(0.0F, grid) == 10);
  CHECK(encode(0.25F, grid) == 10);  // 0.5 steps: to even
  CHECK(encode(0.75F, grid) == 12);  // 1.5 steps
  CHECK(encode(-0.25F, grid) == 10);
  CHECK(encode(100.0F, grid) == 15);
  CHECK(encode(-100.0F, grid) == 0);
  for (int code = 0; code <= 15; ++code) CHECK(encode(decode(code, grid), grid) == code);
}

TEST_CASE("squared error equals encoding and decoding one by one, at every length") {
  const test::EachKernelTable each;
  const auto values = random_floats(9001, 3, -3, 5);
  const UniformGrid grid{0.013F, 55, 0, 255};
  for (const std::int64_t count : {0, 1, 15, 16, 17, 4096, 4097, 9001}) {
    double expected = 0;
    for (std::int64_t i = 0; i < count; ++i) {
      expected += std::pow(static_cast<double>(decode(encode(values[i], grid), grid)) - values[i], 2);
    }
    CHECK(squared_error(std::span(values).first(count), grid) == doctest::Approx(expected).epsilon(1e-4));
  }
}

TEST_CASE("percentile search of a tensor equals the definition, at every width and size") {
  const test::EachKernelTable each;
  for (const std::int64_t count : {1, 2, 5, 100, 1000, 6304, 300000}) {
    const auto values = long_tailed(count, 7 + count);
    for (int bits = 3; bits <= 8; ++bits) {
      check_against_reference(values, observe_tensor(values, bits), count == 1 ? 1e-4 * std::fabs(values[0]) : 1e-8);
    }
  }
}

TEST_CASE("quantiles are exact where most values are equal") {
  // Few values beyond a mass of ties: the sampled threshold falls on the ties, on either side.
  std::vector<float> values(100000, 0.25F);
  for (int i = 0; i < 30; ++i) values[i * 3001] = static_cast<float>(i);
  for (int i = 0; i < 30; ++i) values[i * 3001 + 1] = static_cast<float>(-i);
  check_against_reference(values, observe_tensor(values, 8));
  // Large values in one place only, where a stride might miss them.
  std::vector<float> block = random_floats(100000, 5);
  for (int i = 0; i < 90; ++i) block[50000 + i] = 10.0F + static_cast<float>(i);
  check_against_reference(block, observe_tensor(block, 8));
}

TEST_CASE("the zero point may lie outside the codes") {
  const Observation found = observe_tensor(random_floats(5000, 1, 3, 4), 8);
  CHECK(found.grid.zero_point < 0);
  CHECK(found.mse < 1e-5);
}

TEST_CASE("constant values have a scale") {
  for (const float constant : {0.0F, 7.0F, -1e-3F, 1e6F}) {
    const Observation found = observe_tensor(std::vector<float>(1000, constant), 8);
    CHECK(found.grid.scale > 0);
    CHECK(std::abs(found.grid.zero_point) < 2600000);
    CHECK(std::sqrt(found.mse) <= std::fabs(constant) * 1e-6);
    CHECK(observe_symmetric(std::vector<float>(1000, constant), 8).grid.scale > 0);
  }
}

TEST_CASE("channels: each as its own tensor, with the floor at 1 % of the median range") {
  constexpr std::int64_t kRows = 2003;
  constexpr std::int64_t kChannels = 37;
  auto values = long_tailed(kRows * kChannels, 11);
  for (std::int64_t r = 0; r < kRows; ++r) {
    for (std::int64_t c = 0; c < kChannels; ++c) values[r * kChannels + c] *= static_cast<float>(c % 7) + 0.5F;
    values[r * kChannels + 5] = 3.0F;  // a constant channel
  }
  const auto found = observe_channels({values.data(), kRows, kChannels, kChannels}, 8);
  REQUIRE(std::ssize(found) == kChannels);
  std::vector<double> widths;
  for (std::int64_t c = 0; c < kChannels; ++c) {
    std::vector<float> column;
    for (std::int64_t r = 0; r < kRows; ++r) column.push_back(values[r * kChannels + c]);
    const std::vector<double> doubles(column.begin(), column.end());
    widths.push_back(sorted_quantile(doubles, 0.99999) - sorted_quantile(doubles, 0.00001));
    if (c != 5) check_against_reference(column, found[c]);
  }
  std::ranges::sort(widths);
  CHECK(found[5].grid.scale == doctest::Approx(0.01 * widths[kChannels / 2] / 255).epsilon(1e-6));
  CHECK(decode(encode(3.0F, found[5].grid), found[5].grid) == doctest::Approx(3.0).epsilon(2e-3));
}

TEST_CASE("heads and strided slices equal the same values laid out densely") {
  constexpr std::int64_t kRows = 301;
  constexpr std::int64_t kStride = 60;
  const auto values = long_tailed(kRows * kStride, 13);
  const FloatRows slice{values.data() + 20, kRows, 24, kStride};
  const auto heads = observe_heads(slice, 3, 6);
  REQUIRE(heads.size() == 3);
  for (std::int64_t h = 0; h < 3; ++h) {
    std::vector<float> dense;
    for (std::int64_t r = 0; r < kRows; ++r) {
      for (std::int64_t d = 0; d < 8; ++d) dense.push_back(values[r * kStride + 20 + h * 8 + d]);
    }
    const Observation expected = observe_tensor(dense, 6);
    CHECK(heads[h].grid == expected.grid);
    CHECK(heads[h].mse == expected.mse);
  }
}

TEST_CASE("symmetric search: percentile of |x|, zero point 0") {
  const auto values = long_tailed(50000, 17);
  std::vector<double> magnitudes;
  for (const float x : values) magnitudes.push_back(std::fabs(x));
  for (const int bits : {4, 6, 7, 8}) {
    const Observation found = observe_symmetric(values, bits);
    const int highest = (1 << (bits - 1)) - 1;
    CHECK(found.grid.zero_point == 0);
    CHECK(found.grid.lowest == -highest);
    CHECK(found.grid.highest == highest);
    double best = std::numeric_limits<double>::infinity();
    for (const double p : {0.999, 0.9999, 0.99999, 1.0}) {
      best = std::min(best, mse_of(values, sorted_quantile(magnitudes, p) / highest, 0, -highest, highest));
    }
    CHECK(found.mse == doctest::Approx(best).epsilon(1e-3));
  }
}

TEST_CASE("observers give the same bits for one thread and for several") {
  const auto values = long_tailed(384 * 1000, 19);
  const FloatRows matrix{values.data(), 1000, 384, 384};
  std::vector<std::vector<Observation>> found;
  for (const int threads : {1, 2, 5}) {
    const ThreadScope scope(threads);
    found.push_back(observe_channels(matrix, 4));
    found.back().push_back(observe_tensor(matrix, 4));
    found.back().push_back(observe_symmetric(matrix, 4));
  }
  for (const auto& other : found) {
    for (std::size_t i = 0; i < other.size(); ++i) {
      CHECK(other[i].grid == found[0][i].grid);
      CHECK(other[i].mse == found[0][i].mse);
    }
  }
}

TEST_CASE("observers refuse what they cannot measure") {
  const std::vector<float> none;
  std::vector<float> values(40, 1.0F);
  CHECK_THROWS_AS(observe_tensor(none, 8), Error);
  CHECK_THROWS_AS(observe_tensor(values, 2), Error);
  CHECK_THROWS_AS(observe_tensor(values, 9), Error);
  CHECK_THROWS_AS(observe_heads({values.data(), 4, 10, 10}, 3, 8), Error);
  CHECK_THROWS_AS(observe_heads({values.data(), 4, 10, 10}, 0, 8), Error);
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    values[17] = bad;
    CHECK_THROWS_AS(observe_tensor(values, 8), Error);
    CHECK_THROWS_AS(observe_symmetric(values, 8), Error);
    CHECK_THROWS_AS(observe_channels({values.data(), 4, 10, 10}, 8), Error);
  }
}

TEST_CASE("observer: values without a range are flat, and so are columns") {
  CHECK(is_flat(std::vector<float>(100, 0.0F)));
  CHECK(is_flat(std::vector<float>(100, -3.5F)));
  CHECK(is_flat(std::vector<float>{1.0F, 1.00005F}));
  CHECK_FALSE(is_flat(std::vector<float>{1.0F, 1.001F}));
  CHECK_FALSE(is_flat(std::vector<float>{0.0F, 1e-7F}));
  const std::vector<float> table = {1, 2, 3, 9,  //
                                    1, 5, 3, 9};
  CHECK(flat_columns({table.data(), 2, 3, 4}) == 2);
  CHECK_FALSE(is_flat(FloatRows(table.data(), 2, 3, 4)));
  CHECK(is_flat(FloatRows(table.data() + 3, 2, 1, 4)));
}

TEST_CASE("symmetric_range reaches every value, and refuses what is none") {
  std::vector<float> values = test::random_floats(60, 1, -2, 1);
  values[17] = 40;
  const FloatRows rows(values.data(), 6, 8, 10);  // columns 8 and 9 are others'
  CHECK(symmetric_range(rows, 8).scale == doctest::Approx(40.0 / 127));
  CHECK(symmetric_range(rows, 4).highest == 7);
  values[18] = 1000;
  CHECK(symmetric_range(rows, 8).scale == doctest::Approx(40.0 / 127));
  CHECK(symmetric_range(std::vector<float>(8, 0.0F), 8).scale > 0);
  values[20] = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_WITH_AS(symmetric_range(rows, 8), doctest::Contains("calibration values"), Error);
}
