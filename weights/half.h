#pragma once
// The two 16-bit float formats of published checkpoints, widened to float: exact, every value, subnormals, infinities
// and NaN payloads included, has a float of the same meaning. And back to binary16, rounded.

#include <bit>
#include <cstdint>

namespace vitq {

/// IEEE 754 binary16 (1 sign, 5 exponent, 10 mantissa bits) to float.
inline float half_to_float(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000u) << 16;
  const std::uint32_t exponent = (half >> 10) & 0x1fu;
  const std::uint32_t mantissa = half & 0x3ffu;
  if (exponent == 0) {  // zero or subnormal: mantissa * 2^-24, exact in float
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return std::bit_cast<float>(std::bit_cast<std::uint32_t>(magnitude) | sign);
  }
  const std::uint32_t wide_exponent = exponent == 31 ? 255u : exponent + (127 - 15);
  return std::bit_cast<float>(sign | wide_exponent << 23 | mantissa << 13);
}

/// float to IEEE 754 binary16, rounded to nearest, ties to even, as numpy does: from 65520 on infinity. Any NaN becomes
/// a quiet one.
inline std::uint16_t float_to_half(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t magnitude = bits & 0x7fffffffu;
  std::uint32_t half = 0x7c00u;  // infinity
  if (magnitude > 0x7f800000u) {
    half = 0x7e00u;
  } else if (magnitude < 0x38800000u) {  // below 2^-14, a subnormal: a step of it is one of the floats from 0.5 on
    half = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5F) - std::bit_cast<std::uint32_t>(0.5F);
  } else if (magnitude < 0x47800000u) {  // below 2^16; rounding may carry into the exponent
    half = (magnitude + 0xfffu + ((magnitude >> 13) & 1u) - (112u << 23)) >> 13;
  }
  return static_cast<std::uint16_t>((bits >> 16 & 0x8000u) | half);
}

/// bfloat16, the upper half of a float, to float.
inline float bfloat16_to_float(std::uint16_t bits) {
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
}

}  // namespace vitq
