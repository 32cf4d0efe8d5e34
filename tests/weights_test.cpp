#include "quant/weights.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "engine/error.h"
#include "engine/threads.h"
#include "tests/random.h"
#include "weights/packing.h"

using namespace vitq;
using test::random_floats;

namespace {

// The range search of section 6.2, word by word: least squared error of a row.
double reference_error(std::span<const float> row, int bits) {
  const auto [least, most] = std::ranges::minmax(row);
  const int count = bits == 8 ? 9 : 24;
  const double shrunk = bits == 8 ? 0.8 : 0.45;
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < count; ++i) {
    const double r = shrunk + (1 - shrunk) * i / (count - 1);
    const double lo = std::min(0.0F, least) * r;
    const double hi = std::max(0.0F, most) * r;
    const double last = (1 << bits) - 1;
    const double scale = bits == 8 ? std::max(-lo, hi) / 127 : (hi - lo) / last;
    const double z = bits == 8 ? 127 : std::nearbyint(-lo / scale);
    double error = 0;
    for (const float w : row) {
      const double code = std::clamp(std::nearbyint(w / scale) + z, 0.0, bits == 8 ? 254.0 : last);
      error += std::pow((code - z) * scale - w, 2);
    }
    best = std::min(best, error);
  }
  return best;
}

}  // namespace

TEST_CASE("rows are quantized with the least error of the shrunken ranges") {
  constexpr std::int64_t kRows = 7;
  for (const std::int64_t columns : {1, 5, 48, 133}) {
    auto weight = random_floats(kRows * columns, columns);
    for (float& w : weight) w = w * w * w;
    for (std::int64_t c = 0; c < columns; ++c) weight[2 * columns + c] = std::fabs(weight[2 * columns + c]) + 0.1F;
    for (int bits = 3; bits <= 8; ++bits) {
      const RowCodes result = quantize_rows(weight, kRows, bits);
      double total = 0;
      double decoded = 0;
      for (std::int64_t r = 0; r < kRows; ++r) {
        const auto row = std::span<const float>(weight).subspan(r * columns, columns);
        const double expected = reference_error(row, bits);
        double error = 0;
        for (std::int64_t c = 0; c < columns; ++c) {
          const double code = result.codes[r * columns + c];
          error += std::pow(code * result.scales[r] - row[c], 2);
          CHECK(code + result.zero_points[r] >= 0);
          CHECK(code + result.zero_points[r] <= (1 << bits) - 1);
        }
        CHECK(error <= expected * 1.002 + 1e-12);
        CHECK(error >= expected * 0.998 - 1e-12);
        total += expected;
        decoded += error;
        if (bits == 8) CHECK(result.zero_points[r] == 127);
      }
      CHECK(result.squared_error == doctest::Approx(decoded).epsilon(1e-3));
      CHECK(result.squared_error == doctest::Approx(total).epsilon(5e-3));
    }
  }
}

TEST_CASE("a zero weight stays zero, and rows of zeros have a scale") {
  auto weight = random_floats(64, 1);
  weight[3] = 0;
  std::fill(weight.begin() + 32, weight.begin() + 48, 0.0F);
  std::fill(weight.begin() + 48, weight.end(), 1e-38F);
  for (int bits = 3; bits <= 8; ++bits) {
    const RowCodes result = quantize_rows(weight, 4, bits);
    CHECK(result.codes[3] == 0);
    for (int i = 32; i < 64; ++i) CHECK(result.codes[i] == 0);
    for (const float scale : result.scales) CHECK(scale > 0);
  }
}

TEST_CASE("executed codes return from what is stored and packed") {
  const auto weight = random_floats(12 * 37, 4, -1, 2);
  for (int bits = 3; bits <= 8; ++bits) {
    const RowCodes result = quantize_rows(weight, 12, bits);
    const auto bytes = pack_bits(stored_codes(result), bits);
    CHECK(executed_codes(unpack_bits(bytes, 12 * 37, bits), result.zero_points) == result.codes);
  }
}

TEST_CASE("executed codes refuse zero points and codes that do not fit") {
  const std::vector<std::uint8_t> stored = {0, 1, 200, 254};
  CHECK(executed_codes(stored, std::vector{0, 127}).size() == 4);
  CHECK_THROWS_AS(executed_codes(stored, std::vector{0, 100}), Error);
  CHECK_THROWS_AS(executed_codes(stored, std::vector{-1, 127}), Error);
  CHECK_THROWS_AS(executed_codes(stored, std::vector{0, 128}), Error);
  CHECK_THROWS_AS(executed_codes(stored, std::vector{0, 0, 0}), Error);
  CHECK_THROWS_AS(executed_codes(stored, {}), Error);
}

TEST_CASE("weights are quantized to the same codes by any number of threads") {
  const auto weight = random_floats(100 * 96, 6);
  std::vector<RowCodes> results;
  for (const int threads : {1, 2, 5}) {
    const ThreadScope scope(threads);
    results.push_back(quantize_rows(weight, 100, 4));
  }
  for (const RowCodes& result : results) {
    CHECK(result.codes == results[0].codes);
    CHECK(result.scales == results[0].scales);
    CHECK(result.squared_error == results[0].squared_error);
  }
}

TEST_CASE("the weight quantizer refuses what it cannot represent") {
  std::vector<float> weight(12, 1.0F);
  CHECK_THROWS_AS(quantize_rows(weight, 5, 8), Error);
  CHECK_THROWS_AS(quantize_rows(weight, 0, 8), Error);
  CHECK_THROWS_AS(quantize_rows({}, 1, 8), Error);
  CHECK_THROWS_AS(quantize_rows(weight, 3, 9), Error);
  weight[7] = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_AS(quantize_rows(weight, 3, 8), Error);
  CHECK_THROWS_AS(search_row_grid(weight, 8), Error);
}
