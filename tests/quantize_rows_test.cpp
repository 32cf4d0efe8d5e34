// Codes with a scale for each row, and the layer that takes them.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/error.h"
#include "engine/kernels/requantize.h"
#include "engine/layers/linear.h"
#include "tests/kernel_tables.h"
#include "tests/random.h"

using namespace vitq;

namespace {

constexpr Encoding by_rows(std::int32_t zero_point, int bits = 8) {
  return {.dtype = DType::kU8, .zero_point = zero_point, .bits = bits, .row_scales = true};
}

}  // namespace

TEST_CASE("quantize_rows takes the least scale that holds a row, whatever the others are") {
  const test::EachKernelTable each;
  constexpr std::int64_t kRows = 5;
  for (const std::int64_t columns : {1, 15, 16, 37, 96}) {
    auto x = test::random_floats(kRows * columns, 1, -2, 3);
    for (std::int64_t c = 0; c < columns; ++c) {
      x[columns + c] *= 1000;  // an outlier
      x[2 * columns + c] = 0;  // nothing at all
      x[3 * columns + c] = std::fabs(x[3 * columns + c]);
      x[4 * columns + c] = -std::fabs(x[4 * columns + c]);
    }
    for (const Encoding& means : {by_rows(128), by_rows(10), by_rows(0), by_rows(8, 4)}) {
      std::vector<std::uint8_t> codes(x.size());
      std::vector<float> scales(kRows);
      Tensor dst(codes.data(), {kRows, columns}, means);
      dst.row_scales = scales.data();
      quantize_rows(Tensor(x.data(), {kRows, columns}), dst);
      const float most = static_cast<float>(means.most_code());
      const float zero = static_cast<float>(means.zero_point);
      for (std::int64_t r = 0; r < kRows; ++r) {
        const std::span row(&x[r * columns], static_cast<std::size_t>(columns));
        const float above = std::max(0.0F, std::ranges::max(row)) / (most - zero);
        const float below = zero > 0 ? std::max(0.0F, -std::ranges::min(row)) / zero : 0.0F;
        CHECK(scales[r] == doctest::Approx(std::max({above, below, 1e-12F})).epsilon(1e-6));
        for (std::int64_t c = 0; c < columns; ++c) {
          const float wanted = std::clamp(row[c], -zero * scales[r], (most - zero) * scales[r]);
          const float found = (static_cast<float>(codes[r * columns + c]) - zero) * scales[r];
          CHECK(std::fabs(found - wanted) <= 0.501F * scales[r]);
        }
      }
    }
  }
}

TEST_CASE("a linear layer multiplies each row's scale back, and its bias is not scaled") {
  constexpr std::int64_t kRows = 70;  // more than one block of rows
  constexpr std::int64_t kInputs = 48;
  constexpr std::int64_t kOutputs = 20;
  QuantizedLinear layer{.outputs = kOutputs, .inputs = kInputs, .row_scales = true, .input_zero_point = 100};
  for (std::int64_t i = 0; i < kOutputs * kInputs; ++i)
    layer.codes.push_back(static_cast<std::int8_t>(i * 37 % 127 - 63));
  layer.scale = test::random_floats(kOutputs, 2, 0.001F, 0.01F);
  layer.bias = test::random_floats(kOutputs, 3);
  const Linear linear(layer);
  auto x = test::random_floats(kRows * kInputs, 4, -1, 1);
  for (std::int64_t r = 0; r < kRows; r += 7) {
    for (std::int64_t c = 0; c < kInputs; ++c) x[r * kInputs + c] *= 300;
  }
  std::vector<std::uint8_t> codes(x.size());
  std::vector<float> scales(kRows);
  Tensor src(codes.data(), {kRows, kInputs}, linear.source());
  src.row_scales = scales.data();
  quantize_rows(Tensor(x.data(), {kRows, kInputs}), src);
  Gemm gemm;
  std::vector<float> found(kRows * kOutputs);
  const Tensor dst(found.data(), {kRows, kOutputs});
  linear.run(gemm, src, dst);
  std::vector<float> by_blocks(found.size());
  linear.run_blocks(gemm, src, [&](std::int64_t first, const Tensor& rows) {
    for (std::int64_t r = 0; r < rows.rows(); ++r) {
      std::copy_n(rows.row(r), kOutputs, &by_blocks[(first + r) * kOutputs]);
    }
  });
  CHECK(by_blocks == found);
  double worst = 0;
  for (std::int64_t r = 0; r < kRows; ++r) {
    for (std::int64_t o = 0; o < kOutputs; ++o) {
      double sum = 0;
      for (std::int64_t c = 0; c < kInputs; ++c) sum += layer.codes[o * kInputs + c] * (codes[r * kInputs + c] - 100.0);
      const double wanted = layer.bias[o] + double{scales[r]} * layer.scale[o] * sum;
      worst = std::max(worst, std::fabs(found[r * kOutputs + o] - wanted) / (1 + std::fabs(wanted)));
    }
  }
  CHECK(worst < 2e-5);
  src.row_scales = nullptr;
  CHECK_THROWS_WITH_AS(linear.run(gemm, src, dst), "linear: rows without their scales", Error);
}
