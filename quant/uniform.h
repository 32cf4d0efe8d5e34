#pragma once
// The uniform quantizer: evenly spaced values with integer codes, its scalar reference, and the squared error that
// every range search of this room minimises.

#include <cstdint>
#include <span>

namespace vitq {

/// Codes lowest..highest; a code's value is (code - zero_point) * scale. The zero point may lie outside the codes.
struct UniformGrid {
  float scale = 1.0F;
  std::int32_t zero_point = 0;
  std::int32_t lowest = 0;
  std::int32_t highest = 255;

  bool operator==(const UniformGrid&) const = default;
};

/// clamp(round(x / scale) + zero_point, lowest, highest), half to even; the division is a product with 1.0F / scale.
std::int32_t encode(float x, const UniformGrid& grid);

/// (code - zero_point) * scale.
float decode(std::int32_t code, const UniformGrid& grid);

/// Sum of (decode(encode(x)) - x)^2 over `values`; the same bits on every CPU. NaN where a value is not finite.
/// lowest and highest minus zero_point must lie within +-2^22.
double squared_error(std::span<const float> values, const UniformGrid& grid);

/// Throws Error unless every value is finite; `what` says what they are.
void check_finite(std::span<const float> values, const char* what);

}  // namespace vitq
