#pragma once
// Vectors of a given length: q and k of cosine attention (Liu et al., arXiv 2111.09883), whose products then tell
// nothing but angles.

#include <cstdint>
#include <span>

#include "engine/tensor.h"

namespace vitq {

/// In place, each head x [head_dim] of each row: x <- x * (length / max(|x|, 1e-12)), the length of its place in the
/// row. rows: f32 [rows, heads head_dim], columns dense; lengths: [heads]. A head of zeros stays one. Throws Error
/// where sizes do not fit or rows are not f32.
void l2_norm(const Tensor& rows, std::int64_t head_dim, std::span<const float> lengths);

}  // namespace vitq
