#include "quant/bias.h"

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "engine/error.h"
#include "tests/random.h"

using namespace vitq;
using test::random_floats;

namespace {

constexpr std::int64_t kRows = 50;
constexpr std::int64_t kIn = 33;
constexpr std::int64_t kOut = 9;

std::vector<double> decoded_means(std::span<const std::uint8_t> codes, std::int64_t columns, const UniformGrid& grid) {
  ColumnMeans sums(columns);
  sums.add(codes);
  return sums.decoded_means(grid);
}

}  // namespace

TEST_CASE("column means of floats and of codes") {
  const std::vector<float> values = {1, 2, 9, 3, 6, 9};
  ColumnMeans floats(2);
  floats.add({values.data(), 1, 2, 3});
  floats.add({values.data() + 3, 1, 2, 3});
  CHECK(floats.means() == std::vector<double>{2, 4});
  const std::vector<std::uint8_t> codes = {10, 255, 20, 0};
  CHECK(decoded_means(codes, 2, {0.5F, 20, 0, 255}) == std::vector<double>{-2.5, 53.75});
}

TEST_CASE("with the corrected bias the mean output is that of the float layer") {
  const auto weight = random_floats(kOut * kIn, 1);
  const auto bias = random_floats(kOut, 2);
  const auto input = random_floats(kRows * kIn, 3, -0.5F, 3);
  const Observation source = observe_tensor(input, 4);
  std::vector<std::uint8_t> codes;
  for (const float x : input) codes.push_back(static_cast<std::uint8_t>(encode(x, source.grid)));
  for (const int bits : {4, 8}) {
    const RowCodes quantized = quantize_rows(weight, kOut, bits);
    for (const bool biased : {true, false}) {
      const auto old = biased ? bias : std::vector<float>();
      ColumnMeans means(kIn);
      means.add({input.data(), kRows, kIn, kIn});
      const auto corrected =
          correct_bias(weight, old, quantized, means.means(), decoded_means(codes, kIn, source.grid));
      double moved = 0;
      for (std::int64_t o = 0; o < kOut; ++o) {
        double expected = 0;
        double actual = 0;
        for (std::int64_t r = 0; r < kRows; ++r) {
          expected += biased ? bias[o] : 0;
          actual += corrected[o];
          for (std::int64_t c = 0; c < kIn; ++c) {
            expected += static_cast<double>(weight[o * kIn + c]) * input[r * kIn + c];
            actual += static_cast<double>(quantized.codes[o * kIn + c]) * quantized.scales[o] *
                      (codes[r * kIn + c] - source.grid.zero_point) * source.grid.scale;
          }
        }
        CHECK(actual / kRows == doctest::Approx(expected / kRows).epsilon(1e-6));
        moved += std::fabs(corrected[o] - (biased ? bias[o] : 0));
      }
      CHECK(moved > 1e-3);  // there was something to correct
    }
  }
}

TEST_CASE("bias correction refuses what does not fit") {
  const auto weight = random_floats(kOut * kIn, 1);
  const RowCodes quantized = quantize_rows(weight, kOut, 8);
  const std::vector<double> means(kIn, 1.0);
  const std::vector<double> few(kIn - 1, 1.0);
  const std::vector<float> wrong(kOut + 1, 0.0F);
  CHECK_THROWS_AS(correct_bias(weight, wrong, quantized, means, means), Error);
  CHECK_THROWS_AS(correct_bias(weight, {}, quantized, few, means), Error);
  CHECK_THROWS_AS(correct_bias(weight, {}, quantized, means, few), Error);
  CHECK_THROWS_AS(correct_bias(wrong, {}, quantized, means, means), Error);
  ColumnMeans sums(3);
  CHECK_THROWS_AS((void)sums.means(), Error);
  CHECK_THROWS_AS(sums.add(std::vector<std::uint8_t>(10)), Error);
  CHECK_THROWS_AS(sums.add(FloatRows(weight)), Error);
}
