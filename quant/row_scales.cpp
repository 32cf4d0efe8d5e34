#include "quant/row_scales.h"

#include <algorithm>
#include <limits>

namespace vitq {

namespace {

constexpr double kMostLoss = 8.0;
constexpr std::int64_t kMostRows = 2048;  // that a decision is taken on

// Evenly spread rows of a sample.
Tensor thinned(const Tensor& sample) {
  const std::int64_t step = (sample.rows() + kMostRows - 1) / kMostRows;
  return {sample.f32(), {sample.rows() / step, sample.columns()}, {step * sample.strides[0], 1}};
}

LayerInput with_zero_point(std::int64_t columns, int bits, std::int32_t zero_point) {
  return {.grids = {.scale = std::vector(columns, 1.0F), .zero_point = std::vector(columns, zero_point)},
          .source = {.dtype = DType::kU8, .zero_point = zero_point, .bits = bits, .row_scales = true},
          .bits = bits,
          .levels = {}};
}

}  // namespace

LayerInput row_scaled_input(const Tensor& sample, int bits) {
  LayerInput best;
  double least = std::numeric_limits<double>::infinity();
  // From what reaches as far below zero as above to GELU's, which hardly does.
  for (const int share : {2, 4, 8, 16, 32}) {
    const std::int32_t zero_point = (1 << bits) / share;
    if (zero_point == 0) break;
    LayerInput input = with_zero_point(sample.columns(), bits, zero_point);
    const double error = relative_error(input, sample);
    if (error >= least) continue;
    least = error;
    best = std::move(input);
  }
  return best;
}

double relative_error(const LayerInput& input, const Tensor& sample) {
  const Tensor rows = thinned(sample);
  const std::vector<float> decoded = input.decode(input.encode(rows));
  double sum = 0;
  for (std::int64_t r = 0; r < rows.rows(); ++r) {
    const float* x = rows.row(r);
    double error = 0;
    double size = 0;
    for (std::int64_t c = 0; c < rows.columns(); ++c) {
      const double off = double{x[c]} - decoded[r * rows.columns() + c];
      error += off * off;
      size += double{x[c]} * x[c];
    }
    sum += error / std::max(size, std::numeric_limits<double>::min());
  }
  return sum / static_cast<double>(rows.rows());
}

bool needs_row_scales(const LayerInput& one_grid, const LayerInput& by_rows, const Tensor& sample) {
  return relative_error(one_grid, sample) > kMostLoss * relative_error(by_rows, sample);
}

}  // namespace vitq
