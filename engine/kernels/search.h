#pragma once
// What the searches of the quantizer spend their time in, each on one thread. The quantizer (quant/) checks its
// arguments; no product is added to without being rounded, so that a search chooses the same on every CPU.

#include <cstdint>
#include <span>

#include "engine/kernels/arguments.h"

namespace vitq {

/// Sum over `values` of (x - round(clamp(x * inverse, least, most)) * scale)^2, half to even. NaN where one is NaN or
/// infinite.
double rounding_error(std::span<const float> values, const rows::Grid& grid);

/// True where no value is NaN or infinite.
bool all_finite(std::span<const float> values);

/// Sum over the columns of (expected - (sum over tokens of w v) / (sum of w))^2, w = table[indices].
double attention_error(const rows::AttentionRow& row);

/// From the last element of each of kPlanes vectors to the first: target = value + sum over j > i of (what was left of
/// element j) * C[j, i] / C[i, i]; code = the whole number, or the level, nearest to target * inverse, between lowest
/// and highest; what is left = value - code * scale. error = sum of (target - code * scale)^2 * C[i, i]^2.
void round_to_nearest_planes(const rows::NearestPlanes& all);

}  // namespace vitq
