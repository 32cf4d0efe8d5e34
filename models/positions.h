#pragma once
// Position embeddings for another picture size than they were trained with.

#include <cstdint>
#include <span>
#include <vector>

namespace vitq {

/// [from, from, dim] -> [to, to, dim] as timm's resample_abs_pos_embed does it, which is PyTorch's interpolate(mode =
/// bicubic, antialias = true): filter_taps() first across and then down, in float.
std::vector<float> resample_positions(std::span<const float> grid, std::int64_t from, std::int64_t to,
                                      std::int64_t dim);

}  // namespace vitq
