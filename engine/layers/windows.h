#pragma once
// Swin's geometry: which token stands where once the picture is cut into windows, what may look at what after a shift,
// and the relative position bias of a window. All of it is computed once.

#include <cstdint>
#include <span>
#include <vector>

namespace vitq {

/// Row order of windowed attention for one picture of grid x grid tokens, rolled by (-shift, -shift) first: element i
/// is the token (y * grid + x, before the roll) of row i, windows row-major, tokens row-major in each. A permutation.
std::vector<std::int32_t> window_order(std::int64_t grid, std::int64_t window, std::int64_t shift);

/// [windows, window^2, padded_columns(window^2)]: 0 where two tokens of a shifted window come from the same region of
/// the picture, -100 where they do not; rows and columns split at [0, grid-window), [grid-window, grid-shift),
/// [grid-shift, grid). Padding is 0.
std::vector<float> shift_mask(std::int64_t grid, std::int64_t window, std::int64_t shift);

/// [heads, window^2, padded_columns(window^2)] from the table [(2 window - 1)^2, heads]: entry (i, j) is the table's
/// row (yi - yj + window - 1)(2 window - 1) + (xi - xj + window - 1). Padding is 0.
std::vector<float> relative_bias(std::span<const float> table, std::int64_t window, std::int64_t heads);

}  // namespace vitq
