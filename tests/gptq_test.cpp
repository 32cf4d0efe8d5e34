#include "quant/gptq.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <vector>

#include "engine/error.h"
#include "engine/threads.h"
#include "quant/lloyd_max.h"
#include "tests/kernel_tables.h"
#include "tests/random.h"

using namespace vitq;
using test::random_floats;

namespace {

using Matrix = std::vector<double>;

// Second moments of inputs that depend on each other, with a few directions that hardly vary.
Matrix correlated_moments(std::int64_t size, std::uint64_t seed) {
  const std::int64_t rows = 2 * size;
  const auto mixing = random_floats(size * size, seed, -1, 1);
  const auto inputs = random_floats(rows * size, seed + 1, -1, 1);
  Matrix moments(size * size);
  std::vector<double> x(size);
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t i = 0; i < size; ++i) {
      x[i] = 0.3;
      for (std::int64_t k = 0; k < size; ++k) x[i] += mixing[i * size + k] * inputs[r * size + k] / double(k + 1);
    }
    for (std::int64_t i = 0; i < size; ++i) {
      for (std::int64_t j = 0; j < size; ++j) moments[i * size + j] += x[i] * x[j] / double(rows);
    }
  }
  return moments;
}

Matrix damped(Matrix moments, std::int64_t size) {
  double trace = 0;
  for (std::int64_t i = 0; i < size; ++i) trace += moments[i * size + i];
  for (std::int64_t i = 0; i < size; ++i) moments[i * size + i] += 0.01 * trace / static_cast<double>(size);
  return moments;
}

double quadratic(const Matrix& moments, const std::vector<double>& d) {
  const std::int64_t size = std::ssize(d);
  double sum = 0;
  for (std::int64_t i = 0; i < size; ++i) {
    for (std::int64_t j = 0; j < size; ++j) sum += d[i] * moments[i * size + j] * d[j];
  }
  return sum;
}

// Gauss-Jordan without pivots: the matrix is positive definite.
Matrix inverse(Matrix a, std::int64_t size) {
  Matrix result(size * size);
  for (std::int64_t i = 0; i < size; ++i) result[i * size + i] = 1;
  for (std::int64_t p = 0; p < size; ++p) {
    const double pivot = a[p * size + p];
    for (std::int64_t j = 0; j < size; ++j) {
      a[p * size + j] /= pivot;
      result[p * size + j] /= pivot;
    }
    for (std::int64_t i = 0; i < size; ++i) {
      if (i == p) continue;
      const double factor = a[i * size + p];
      for (std::int64_t j = 0; j < size; ++j) {
        a[i * size + j] -= factor * a[p * size + j];
        result[i * size + j] -= factor * result[p * size + j];
      }
    }
  }
  return result;
}

// Optimal brain quantization in GPTQ's order, as the papers write it: round a column, spread its error over those that
// are left by the inverse of H, take the column out of the inverse.
std::vector<double> reference_codes(std::span<const float> row, const UniformGrid& grid, const Matrix& h) {
  const std::int64_t size = std::ssize(row);
  std::vector<std::int64_t> order(size);
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, std::greater<>(), [&](std::int64_t c) { return h[c * size + c]; });
  Matrix left = inverse(h, size);
  std::vector<double> w(row.begin(), row.end());
  std::vector<double> codes(size);
  for (const std::int64_t p : order) {
    codes[p] = std::clamp<double>(std::nearbyint(w[p] / grid.scale), grid.lowest, grid.highest);
    const double error = (w[p] - codes[p] * grid.scale) / left[p * size + p];
    const Matrix before = left;
    for (std::int64_t j = 0; j < size; ++j) w[j] -= error * before[p * size + j];
    for (std::int64_t i = 0; i < size; ++i) {
      for (std::int64_t j = 0; j < size; ++j) {
        left[i * size + j] -= before[i * size + p] * before[p * size + j] / before[p * size + p];
      }
    }
    for (std::int64_t j = 0; j < size; ++j) left[p * size + j] = left[j * size + p] = 0;  // gone, exactly
    left[p * size + p] = 1;
  }
  return codes;
}

std::vector<double> difference(const RowCodes& codes, std::span<const float> weight, std::int64_t row) {
  std::vector<double> d(codes.columns);
  for (std::int64_t c = 0; c < codes.columns; ++c) {
    const std::int64_t at = row * codes.columns + c;
    d[c] = weight[at] - static_cast<double>(codes.codes[at]) * codes.scales[row];
  }
  return d;
}

double total_error(const RowCodes& codes, std::span<const float> weight, const Matrix& moments) {
  double sum = 0;
  for (std::int64_t r = 0; r < codes.rows; ++r) sum += quadratic(moments, difference(codes, weight, r));
  return sum;
}

}  // namespace

TEST_CASE("gptq: the codes are those of the published algorithm, with the best of the ranges") {
  const test::EachKernelTable each;
  constexpr std::int64_t kRows = 9;
  for (const std::int64_t size : {1, 2, 17, 40}) {
    const Matrix moments = correlated_moments(size, size);
    const Matrix h = damped(moments, size);
    const auto weight = random_floats(kRows * size, 3 * size, -1, 1);
    for (int bits = 3; bits <= 8; ++bits) {
      const RowCodes found = gptq_rows(weight, kRows, bits, moments);
      std::int64_t different = 0;
      for (std::int64_t r = 0; r < kRows; ++r) {
        const auto row = std::span(weight).subspan(r * size, size);
        double least = std::numeric_limits<double>::infinity();
        std::vector<double> expected;
        for (const UniformGrid& grid : row_candidates(row, bits)) {
          const auto codes = reference_codes(row, grid, h);
          std::vector<double> d(size);
          for (std::int64_t c = 0; c < size; ++c) d[c] = row[c] - codes[c] * grid.scale;
          const double error = quadratic(h, d);
          if (error < least) {
            least = error;
            expected = codes;
          }
        }
        CHECK(quadratic(h, difference(found, weight, r)) <= least * 1.01 + 1e-12);
        for (std::int64_t c = 0; c < size; ++c) different += found.codes[r * size + c] != expected[c] ? 1 : 0;
      }
      // Float and double may fall to different sides of a half, and the columns behind then differ too.
      CHECK(different * 50 <= kRows * size);
    }
  }
}

TEST_CASE("gptq: less output error than the nearest codes, and the same where inputs are independent") {
  constexpr std::int64_t kRows = 70;  // more than are rounded side by side, and no multiple of anything
  constexpr std::int64_t kInputs = 33;
  const auto weight = random_floats(kRows * kInputs, 1, -1, 1);
  const Matrix moments = correlated_moments(kInputs, 2);
  for (const int bits : {3, 4, 6}) {
    const RowCodes nearest = quantize_rows(weight, kRows, bits);
    const RowCodes gptq = gptq_rows(weight, kRows, bits, moments);
    CHECK(total_error(gptq, weight, moments) < 0.8 * total_error(nearest, weight, moments));
    Matrix identity(kInputs * kInputs);
    for (std::int64_t i = 0; i < kInputs; ++i) identity[i * kInputs + i] = 2;
    const RowCodes independent = gptq_rows(weight, kRows, bits, identity);
    CHECK(independent.squared_error == doctest::Approx(nearest.squared_error).epsilon(1e-4));
  }
}

TEST_CASE("gptq: with a code book every code is a level, and bell-shaped weights lose less than evenly spaced") {
  const test::EachKernelTable each;
  constexpr std::int64_t kRows = 70;
  constexpr std::int64_t kInputs = 48;
  std::vector<float> weight(kRows * kInputs);
  for (std::uint64_t seed = 0; seed < 8; ++seed) {  // sums of eight uniform values
    const auto part = random_floats(kRows * kInputs, 40 + seed, -1, 1);
    std::ranges::transform(part, weight, weight.begin(), std::plus());
  }
  const Matrix moments = correlated_moments(kInputs, 2);
  for (const int bits : {3, 4}) {
    const auto levels = fit_weight_levels(weight, kRows, bits);
    const RowCodes found = gptq_rows(weight, kRows, bits, moments, levels);
    CHECK(found.levels == levels);
    CHECK(found.zero_points.empty());
    CHECK(std::ranges::all_of(found.codes, [&](auto code) { return std::ranges::binary_search(levels, code); }));
    const RowCodes even = gptq_rows(weight, kRows, bits, moments);
    CHECK(total_error(found, weight, moments) < 0.95 * total_error(even, weight, moments));
  }
}

TEST_CASE("gptq: the result does not depend on the number of threads") {
  constexpr std::int64_t kRows = 50;
  const auto weight = random_floats(kRows * 24, 4, -1, 1);
  const Matrix moments = correlated_moments(24, 5);
  const RowCodes one = [&] {
    const ThreadScope scope(1);
    return gptq_rows(weight, kRows, 4, moments);
  }();
  const ThreadScope scope(3);
  const RowCodes three = gptq_rows(weight, kRows, 4, moments);
  CHECK(three.codes == one.codes);
  CHECK(three.scales == one.scales);
  CHECK(three.zero_points == one.zero_points);
}

TEST_CASE("gptq: inputs that never vary, or all vary as one, and rows of zeros") {
  constexpr std::int64_t kInputs = 12;
  auto weight = random_floats(4 * kInputs, 6, -1, 1);
  std::fill_n(weight.begin() + kInputs, kInputs, 0.0F);
  for (const double value : {0.0, 1.0, 1e12}) {
    const Matrix moments(kInputs * kInputs, value);
    const RowCodes found = gptq_rows(weight, 4, 4, moments);
    for (std::int64_t c = 0; c < kInputs; ++c) CHECK(found.codes[kInputs + c] == 0);
    for (std::int64_t i = 0; i < std::ssize(weight); ++i) {
      const int stored = found.codes[i] + found.zero_points[i / kInputs];
      CHECK(stored >= 0);
      CHECK(stored <= 15);
    }
  }
}

TEST_CASE("gptq: what makes no sense is refused by name") {
  const std::vector<float> weight(6, 1.0F);
  const Matrix moments(9, 1.0);
  CHECK_THROWS_WITH_AS((void)gptq_rows(weight, 2, 2, moments), "gptq: 2 bits, expected 3 to 8", Error);
  CHECK_THROWS_WITH_AS((void)gptq_rows(weight, 4, 4, moments), "gptq: 6 elements cannot be divided into 4 rows", Error);
  CHECK_THROWS_WITH_AS((void)gptq_rows(weight, 3, 4, moments), "gptq: 9 moments, expected 2 x 2", Error);
  const std::vector<std::int8_t> levels = {-3, -2, -1, 0, 1, 2, 3, 3};
  CHECK_THROWS_WITH_AS((void)gptq_rows(weight, 2, 3, moments, levels), "gptq: 8 levels, expected 8, strictly ascending",
                       Error);
  CHECK_THROWS_AS((void)gptq_rows(weight, 2, 4, moments, std::span(levels).first(7)), Error);
  Matrix broken = moments;
  broken[4] = std::nan("");
  CHECK_THROWS_WITH_AS((void)gptq_rows(weight, 2, 4, broken), "gptq: a moment is not finite", Error);
}
