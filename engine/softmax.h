#pragma once
// Softmax over attention scores, in place, with what attention adds to them first: the scale head_dim^-0.5, Swin's
// relative position bias and the mask of shifted windows.

#include <cstdint>
#include <span>

#include "engine/tensor.h"

namespace vitq {

/// Row stride, in elements, of a score matrix with `columns` columns: rounded up to 16, so that row kernels run on
/// whole vectors. What lies between is scratch.
constexpr std::int64_t padded_columns(std::int64_t columns) { return (columns + 15) / 16 * 16; }

/// For each group g, head h and row i: scores[g,h,i,:] = softmax(scale * scores + bias[h,i,:] + mask[g mod masks,i,:]).
/// scores: f32 [groups, heads, rows, columns], row stride padded_columns(columns), else dense; in place; the padding is
/// overwritten. bias: [heads, rows, padded_columns] or empty; mask: [masks, rows, padded_columns] or empty.
/// The row maximum is subtracted first; a score may be -inf but not a whole row.
void softmax(const Tensor& scores, float scale, std::span<const float> bias = {}, std::span<const float> mask = {});

}  // namespace vitq
