#pragma once
// bf16 by the definition, and the tests that need a CPU that multiplies it.

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <vector>

#include "engine/gemm/onednn.h"

namespace vitq::test {

/// The value of a bf16.
inline float float_of(std::uint16_t half) {
  const std::uint32_t bits = std::uint32_t{half} << 16;
  float value = 0;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}

/// The nearest bf16, of two the even one: by distances in double, where the end of the range counts as 2^128. x: no
/// NaN.
inline std::uint16_t nearest_bf16(float x) {
  constexpr std::uint16_t kInfinity = 0x7f80;
  const auto magnitude = [](std::uint16_t half) {
    const std::uint16_t absolute = half & 0x7fff;
    return absolute == kInfinity ? 0x1p128 : double{float_of(absolute)};
  };
  std::uint32_t bits = 0;
  std::memcpy(&bits, &x, sizeof(bits));
  const auto below = static_cast<std::uint16_t>(bits >> 16);
  if ((below & 0x7fff) == kInfinity) return below;
  const auto above = static_cast<std::uint16_t>(below + 1);  // away from zero
  const double from_below = std::fabs(double{x}) - magnitude(below);
  const double from_above = magnitude(above) - std::fabs(double{x});
  if (from_below == from_above) return below % 2 == 0 ? below : above;
  return from_below < from_above ? below : above;
}

/// Each value rounded to bf16, as floats.
inline std::vector<float> rounded(std::vector<float> values) {
  for (float& value : values) value = float_of(nearest_bf16(value));
  return values;
}

/// The bits of each value rounded to bf16.
inline std::vector<std::uint16_t> halves_of(const std::vector<float>& values) {
  std::vector<std::uint16_t> halves;
  halves.reserve(values.size());
  for (const float value : values) halves.push_back(nearest_bf16(value));
  return halves;
}

/// True, and says so for ctest, where this CPU does not multiply bf16.
inline bool skips_without_bf16() {
  if (has_bf16()) return false;
  std::printf("SKIPPED: no bf16 products on %s\n", effective_isa().c_str());
  return true;
}

}  // namespace vitq::test
