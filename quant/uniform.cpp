#include "quant/uniform.h"

#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "engine/kernels/search.h"

namespace vitq {

namespace {

rows::Grid steps_of(const UniformGrid& grid) {
  return {1.0F / grid.scale, grid.scale, static_cast<float>(grid.lowest - grid.zero_point),
          static_cast<float>(grid.highest - grid.zero_point)};
}

}  // namespace

std::int32_t encode(float x, const UniformGrid& grid) {
  // code - zero_point, which clamping before or after rounding does not change: the ends are integers.
  const rows::Grid steps = steps_of(grid);
  const float code = std::nearbyint(std::clamp(x * steps.inverse, steps.least, steps.most));
  return static_cast<std::int32_t>(code) + grid.zero_point;
}

float decode(std::int32_t code, const UniformGrid& grid) {
  return static_cast<float>(code - grid.zero_point) * grid.scale;
}

double squared_error(std::span<const float> values, const UniformGrid& grid) {
  return rounding_error(values, steps_of(grid));
}

void check_finite(std::span<const float> values, const char* what) {
  check(all_finite(values), what, " hold NaN or infinity, expected finite numbers; check the weights and the pictures");
}

}  // namespace vitq
