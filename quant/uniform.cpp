#include "quant/uniform.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/error.h"
#include "engine/kernels/simd.h"

namespace vitq {

namespace {

constexpr std::int64_t kChunk = 4096;  // summed in float lanes, then added to the double
constexpr float kRound = 12582912.0F;  // 1.5 * 2^23: adding it rounds to an integer, half to even

struct Steps {
  float inverse, scale, least, most;
};

Steps steps_of(const UniformGrid& grid) {
  return {1.0F / grid.scale, grid.scale, static_cast<float>(grid.lowest - grid.zero_point),
          static_cast<float>(grid.highest - grid.zero_point)};
}

// code - zero_point, which clamping before or after rounding does not change: the ends are integers.
float rounded(float x, const Steps& steps) {
  return std::nearbyint(std::clamp(x * steps.inverse, steps.least, steps.most));
}

[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]] double squared_error_of(const float* values,
                                                                                              std::int64_t count,
                                                                                              const Steps& steps) {
  double total = 0;
  const std::int64_t whole = count - count % simd::kLanes;
  simd::Floats least;
  simd::Floats most;
  simd::fill(steps.least, least);
  simd::fill(steps.most, most);
  for (std::int64_t begin = 0; begin < whole; begin += kChunk) {
    const std::int64_t end = begin + kChunk < whole ? begin + kChunk : whole;
    simd::Floats sums{};
    for (std::int64_t i = begin; i < end; i += simd::kLanes) {
      simd::Floats x;
      simd::load(values + i, x);
      simd::Floats code = x * steps.inverse;
      code = code < least ? least : code;
      code = code > most ? most : code;
      code = (code + kRound) - kRound;
      const simd::Floats error = code * steps.scale - x;
      sums += error * error;
    }
    total += static_cast<double>(simd::sum(sums));
  }
  for (std::int64_t i = whole; i < count; ++i) {
    const float error = rounded(values[i], steps) * steps.scale - values[i];
    total += static_cast<double>(error * error);
  }
  return total;
}

[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]] bool all_finite(const float* values,
                                                                                      std::int64_t count) {
  int bad = 0;
  for (std::int64_t i = 0; i < count; ++i) bad |= std::fabs(values[i]) <= std::numeric_limits<float>::max() ? 0 : 1;
  return bad == 0;
}

}  // namespace

std::int32_t encode(float x, const UniformGrid& grid) {
  return static_cast<std::int32_t>(rounded(x, steps_of(grid))) + grid.zero_point;
}

float decode(std::int32_t code, const UniformGrid& grid) {
  return static_cast<float>(code - grid.zero_point) * grid.scale;
}

double squared_error(std::span<const float> values, const UniformGrid& grid) {
  return squared_error_of(values.data(), std::ssize(values), steps_of(grid));
}

void check_finite(std::span<const float> values, const char* what) {
  check(all_finite(values.data(), std::ssize(values)), what,
        " hold NaN or infinity, expected finite numbers; check the weights and the pictures");
}

}  // namespace vitq
