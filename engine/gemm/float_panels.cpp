#include "engine/gemm/float_panels.h"

#include <algorithm>

#include "engine/gemm/float_tiles.h"
#include "engine/gemm/onednn.h"
#include "engine/isa.h"

namespace vitq {

namespace {

using float_tiles::kOutputs;

float* floats_of(const Buffer& buffer) { return reinterpret_cast<float*>(buffer.data()); }

}  // namespace

bool FloatPanels::are_used() { return isa() >= Isa::kAvx2 && effective_isa().starts_with("AVX2"); }

FloatPanels::FloatPanels(std::span<const float> weight, std::span<const float> bias, std::int64_t outputs,
                         std::int64_t inputs)
    : outputs_(outputs), inputs_(inputs) {
  const std::int64_t size = panels() * inputs * kOutputs;
  weights_ = Buffer(static_cast<std::size_t>(size) * sizeof(float));
  std::fill_n(floats_of(weights_), size, 0.0F);
  for (std::int64_t o = 0; o < outputs; ++o) {
    float* column = floats_of(weights_) + o / kOutputs * inputs * kOutputs + o % kOutputs;
    for (std::int64_t i = 0; i < inputs; ++i) column[i * kOutputs] = weight[o * inputs + i];
  }
  if (bias.empty()) return;
  bias_ = Buffer(static_cast<std::size_t>(panels() * kOutputs) * sizeof(float));
  std::fill_n(std::ranges::copy(bias, floats_of(bias_)).out, panels() * kOutputs - outputs, 0.0F);
}

std::int64_t FloatPanels::panels() const { return (outputs_ + kOutputs - 1) / kOutputs; }

void FloatPanels::multiply(const Tensor& src, const Tensor& dst, bool accumulate, std::int64_t first,
                           std::int64_t last) const {
  multiply_panels({.weights = floats_of(weights_),
                   .bias = bias_.size() > 0 ? floats_of(bias_) : nullptr,
                   .inputs = inputs_,
                   .outputs = outputs_},
                  src, dst, accumulate, first, last);
}

void multiply_panels(const PackedFloats& by, const Tensor& src, const Tensor& dst, bool accumulate, std::int64_t first,
                     std::int64_t last) {
  constexpr std::int64_t kRows = 192;  // of so many inputs, in a core's second cache
  const std::int64_t most = inputs_at_once(by.inputs);
  for (std::int64_t row = 0; row < src.rows(); row += kRows) {
    const std::int64_t rows = std::min(kRows, src.rows() - row);
    for (std::int64_t input = 0; input < by.inputs; input += most) {
      const std::int64_t inputs = std::min(most, by.inputs - input);
      const float* from = src.f32() + row * src.strides[0] + input;
      for (std::int64_t p = first; p < last; ++p) {
        const bool is_first = input == 0;
        const float* bias = is_first && by.bias != nullptr ? by.bias + p * kOutputs : nullptr;
        const float* weights = by.weights + (p * by.inputs + input) * kOutputs;
        const float* next = p + 1 < last ? weights + by.inputs * kOutputs : nullptr;
        float_tiles::multiply(from, src.strides[0], rows, inputs, weights, next,
                              std::min(kOutputs, by.outputs - p * kOutputs),
                              {.bias = bias, .adds = accumulate || !is_first},
                              dst.f32() + row * dst.strides[0] + p * kOutputs, dst.strides[0]);
      }
    }
  }
}

}  // namespace vitq
