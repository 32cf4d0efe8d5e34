#include "quant/lloyd_max.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "engine/error.h"
#include "engine/kernels/code_book.h"
#include "engine/threads.h"
#include "tests/random.h"

using namespace vitq;

namespace {

// As GELU's outputs: most lie just below zero.
std::vector<float> skewed(std::size_t count) {
  auto values = test::random_floats(count, 11, -3, 3);
  for (float& x : values) x = 0.5F * x * (1.0F + std::erf(x / std::sqrt(2.0F)));
  return values;
}

double mean_error(const std::vector<float>& values, const UniformGrid& grid, std::span<const std::uint8_t> levels) {
  const CodeBook book = nearest_levels(levels);
  double sum = 0;
  for (const float x : values) {
    const double error = double{decode(book[encode(x, grid)], grid)} - x;
    sum += error * error;
  }
  return sum / static_cast<double>(values.size());
}

}  // namespace

TEST_CASE("lloyd-max: the error is the one that the codes have, and no neighbour of any level is better") {
  const auto values = skewed(5000);
  for (const int bits : {3, 4, 6}) {
    const LevelFit fit = fit_levels(values, bits);
    REQUIRE(std::ssize(fit.levels) == 1 << bits);
    CHECK(mean_error(values, fit.grid, fit.levels) == doctest::Approx(fit.mse).epsilon(1e-6));
    for (std::size_t i = 0; i < fit.levels.size(); ++i) {
      for (const int step : {-1, 1}) {
        auto moved = fit.levels;
        const int to = moved[i] + step;
        const bool fits =
            to >= 0 && to <= 255 && (i == 0 || to > moved[i - 1]) && (i + 1 == moved.size() || to < moved[i + 1]);
        if (!fits) continue;
        moved[i] = static_cast<std::uint8_t>(to);
        CHECK(mean_error(values, fit.grid, moved) >= fit.mse * (1 - 1e-9));
      }
    }
    CHECK(fit.mse < 0.8 * observe_tensor(values, bits).mse);
  }
}

TEST_CASE("lloyd-max: the optimum is found where only trying everything finds it") {
  // Three levels on a coarse grid would do for brute force, but eight are the fewest: five of them are given away to
  // values far apart, and the three that are left are tried in every place.
  std::vector<float> values;
  for (const int far : {0, 200, 215, 230, 255}) values.insert(values.end(), 50, static_cast<float>(far));
  for (const int near : {20, 21, 25, 40, 44, 45, 61, 70, 71})
    values.insert(values.end(), near % 7 + 1, static_cast<float>(near));
  const LevelFit fit = fit_levels(values, 3);
  REQUIRE(fit.grid.scale == doctest::Approx(1));
  double least = mean_error(values, fit.grid, fit.levels);
  CHECK(least == doctest::Approx(fit.mse).epsilon(1e-6));
  for (int a = 1; a < 198; ++a) {
    for (int b = a + 1; b < 199; ++b) {
      for (int c = b + 1; c < 100; ++c) {
        const std::vector<std::uint8_t> levels = {
            0,  static_cast<std::uint8_t>(a), static_cast<std::uint8_t>(b), static_cast<std::uint8_t>(c), 200, 215, 230,
            255};
        least = std::min(least, mean_error(values, fit.grid, levels));
      }
    }
  }
  CHECK(fit.mse <= least * (1 + 1e-6));
}

TEST_CASE("lloyd-max: few different values have no error, constant ones a grid") {
  std::vector<float> values;
  for (int i = 0; i < 100; ++i) values.push_back(static_cast<float>(i % 8 * 36));
  CHECK(fit_levels(values, 4).mse == doctest::Approx(0).scale(1).epsilon(0.1));
  const std::vector<float> constant(64, 0.75F);
  const LevelFit fit = fit_levels(constant, 4);
  CHECK(mean_error(constant, fit.grid, fit.levels) < 1e-8);
}

TEST_CASE("lloyd-max: weight levels are the best for all rows together, whatever the rows' scales") {
  constexpr std::int64_t kRows = 20;
  constexpr std::int64_t kInputs = 200;
  auto weight = skewed(kRows * kInputs);
  const auto error_of = [&](std::span<const std::int8_t> levels) {
    double sum = 0;
    for (std::int64_t r = 0; r < kRows; ++r) {
      const auto row = std::span(weight).subspan(r * kInputs, kInputs);
      const float inverse = 1.0F / weight_level_scale(row);
      for (const float w : row) {
        const float step = std::clamp(std::nearbyint(w * inverse), -63.0F, 63.0F);
        const int nearest =
            *std::ranges::min_element(levels, {}, [step](float level) { return std::fabs(step - level); });
        sum += std::pow(double{w * inverse} - nearest, 2);
      }
    }
    return sum;
  };
  for (const int bits : {3, 4}) {
    const auto levels = fit_weight_levels(weight, kRows, bits);
    REQUIRE(std::ssize(levels) == 1 << bits);
    CHECK(levels.front() >= -63);
    CHECK(levels.back() <= 63);
    for (std::size_t i = 0; i < levels.size(); ++i) {
      for (const int step : {-1, 1}) {
        auto moved = levels;
        moved[i] = static_cast<std::int8_t>(moved[i] + step);
        const bool fits = moved[i] >= -63 && moved[i] <= 63 && std::ranges::is_sorted(moved, std::less_equal<>());
        if (fits) CHECK(error_of(moved) >= error_of(levels) * (1 - 1e-9));
      }
    }
    auto scaled = weight;
    for (std::int64_t c = 0; c < kInputs; ++c) scaled[3 * kInputs + c] *= 128;
    CHECK(fit_weight_levels(scaled, kRows, bits) == levels);
  }
  CHECK(weight_level_scale(std::vector<float>(8)) == 1e-10F);
  CHECK_THROWS_WITH_AS((void)fit_weight_levels(weight, 3, 4), "code book: 4000 weights cannot be divided into 3 rows",
                       Error);
  CHECK_THROWS_AS((void)fit_weight_levels(weight, kRows, 6), Error);
}

TEST_CASE("lloyd-max: the result does not depend on the number of threads, and nonsense is refused") {
  const auto values = skewed(3000);
  const LevelFit one = [&] {
    const ThreadScope scope(1);
    return fit_levels(values, 4);
  }();
  const ThreadScope scope(3);
  const LevelFit three = fit_levels(values, 4);
  CHECK(three.levels == one.levels);
  CHECK(three.grid == one.grid);
  CHECK_THROWS_WITH_AS((void)fit_levels(values, 8), "code book: 8 bits, expected 3 to 7", Error);
  CHECK_THROWS_AS((void)fit_levels(std::vector<float>(), 4), Error);
  CHECK_THROWS_AS((void)fit_levels(std::vector<float>{1, NAN}, 4), Error);
}
