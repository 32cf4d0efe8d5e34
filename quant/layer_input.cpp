#include "quant/layer_input.h"

#include <algorithm>
#include <cmath>

#include "engine/kernels/code_book.h"
#include "engine/kernels/requantize.h"
#include "engine/threads.h"
#include "quant/lloyd_max.h"

namespace vitq {

namespace {

constexpr int kAllBits = 8;

LayerInput on_grid(std::int64_t columns, const UniformGrid& grid, int bits) {
  return {.grids = {.scale = std::vector(columns, grid.scale), .zero_point = std::vector(columns, grid.zero_point)},
          .source = {.dtype = DType::kU8, .scale = grid.scale, .zero_point = grid.zero_point, .bits = bits},
          .bits = bits,
          .levels = {}};
}

}  // namespace

LayerInput::Codes LayerInput::encode(const Tensor& src) const {
  const std::int64_t columns = src.columns();
  if (source.row_scales) {
    Codes result{.codes = std::vector<std::uint8_t>(src.rows() * columns),
                 .row_scales = std::vector<float>(src.rows())};
    Tensor dst(result.codes.data(), {src.rows(), columns}, source);
    dst.row_scales = result.row_scales.data();
    quantize(src, dst);
    return result;
  }
  const auto most = static_cast<float>((1 << source.bits) - 1);
  std::vector<float> inverse(columns);
  for (std::int64_t c = 0; c < columns; ++c) inverse[c] = 1.0F / grids.scale[c];
  std::vector<std::uint8_t> codes(src.rows() * columns);
  parallel_for(src.rows(), 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      const float* x = src.row(r);
      for (std::int64_t c = 0; c < columns; ++c) {
        const float code = std::nearbyint(x[c] * inverse[c]) + static_cast<float>(grids.zero_point[c]);
        codes[r * columns + c] = static_cast<std::uint8_t>(std::clamp(code, 0.0F, most));
      }
    }
  });
  if (!levels.empty()) look_up(nearest_levels(levels).data(), codes.data(), std::ssize(codes));
  return {.codes = std::move(codes), .row_scales = {}};
}

std::vector<float> LayerInput::decode(const Codes& encoded) const {
  const std::int64_t columns = std::ssize(grids.scale);
  std::vector<float> values(encoded.codes.size());
  for (std::int64_t i = 0; i < std::ssize(values); ++i) {
    const std::int64_t c = i % columns;
    const float scale = source.row_scales ? encoded.row_scales[i / columns] : grids.scale[c];
    values[i] = static_cast<float>(int{encoded.codes[i]} - grids.zero_point[c]) * scale;
  }
  return values;
}

FloatRows rows_in(const Tensor& matrix) { return {matrix.f32(), matrix.rows(), matrix.columns(), matrix.strides[0]}; }

LayerInput uniform_input(const Tensor& sample, int bits) {
  return on_grid(sample.columns(), observe_tensor(rows_in(sample), bits).grid, bits);
}

LayerInput byte_input(std::int64_t columns) {
  return on_grid(columns, {.scale = 1, .zero_point = 0, .highest = 255}, kAllBits);
}

LayerInput code_book_input(const Tensor& sample, int bits) {
  LevelFit fit = fit_levels(rows_in(sample), bits);
  LayerInput input = on_grid(sample.columns(), fit.grid, kAllBits);
  input.bits = bits;
  input.levels = std::move(fit.levels);
  return input;
}

LayerInput folded_input(const ChannelScales& channels, const LayerScale& layer, int bits) {
  return {.grids = channels,
          .source = {.dtype = DType::kU8, .scale = layer.scale, .zero_point = layer.zero_point, .bits = bits},
          .bits = bits,
          .levels = {}};
}

std::vector<std::uint8_t> first_tokens(std::span<const std::uint8_t> codes, std::int64_t pictures, std::int64_t inputs,
                                       std::int64_t count) {
  const std::int64_t picture = std::ssize(codes) / pictures;
  std::vector<std::uint8_t> result;
  for (std::int64_t i = 0; i < pictures; ++i) {
    const auto first = codes.subspan(i * picture, count * inputs);
    result.insert(result.end(), first.begin(), first.end());
  }
  return result;
}

}  // namespace vitq
