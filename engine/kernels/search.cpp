#include "engine/kernels/search.h"

#include "engine/kernels/dispatch.h"

namespace vitq {

double rounding_error(std::span<const float> values, const rows::Grid& grid) {
  return kernels().rounding_error(values.data(), std::ssize(values), grid);
}

bool all_finite(std::span<const float> values) { return kernels().all_finite(values.data(), std::ssize(values)); }

double attention_error(const rows::AttentionRow& row) { return kernels().attention_error(row); }

void round_to_nearest_planes(const rows::NearestPlanes& all) { kernels().nearest_planes(all); }

}  // namespace vitq
