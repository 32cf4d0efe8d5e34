#pragma once
// Integer layers for tests, from what tests vary.

#include <cstdint>
#include <span>
#include <vector>

#include "engine/encoding.h"
#include "engine/layers/description.h"

namespace vitq::test {

/// A layer of 8-bit codes [outputs, inputs] that takes `source`, u8.
inline QuantizedLinear integer_layer(std::span<const std::int8_t> codes, std::span<const float> scale,
                                     std::span<const float> bias, std::int64_t outputs, std::int64_t inputs,
                                     const Encoding& source, std::span<const std::uint8_t> levels = {}) {
  QuantizedLinear layer;
  layer.outputs = outputs;
  layer.inputs = inputs;
  layer.input_bits = source.bits;
  layer.input_scale = source.scale;
  layer.input_zero_point = source.zero_point;
  layer.codes.assign(codes.begin(), codes.end());
  layer.scale.assign(scale.begin(), scale.end());
  layer.bias.assign(bias.begin(), bias.end());
  layer.input_levels.assign(levels.begin(), levels.end());
  return layer;
}

}  // namespace vitq::test
