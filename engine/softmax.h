#pragma once
// Softmax over attention scores, in place, with what attention adds to them first: the scale head_dim^-0.5, Swin's
// relative position bias and the mask of shifted windows.

#include <cstdint>
#include <span>

#include "engine/softmax_levels.h"
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

/// Row stride, in elements, of bf16 probabilities: rounded up to 32, a row of AMX's tiles, which is what the product
/// with v is fastest on (oneDNN 2.6.3 on AMX, DeiT-S: 74 us, against 98 us with 16 and 83 us with 64).
constexpr std::int64_t padded_probabilities(std::int64_t columns) { return (columns + 31) / 32 * 32; }

/// The same as softmax, rounded to bf16. scores: as above, overwritten; probabilities:
/// bf16 of the same shape, row stride padded_probabilities(columns), else dense; its padding becomes 0.
void softmax_bf16(const Tensor& scores, float scale, const Tensor& probabilities, std::span<const float> bias = {},
                  std::span<const float> mask = {});

/// Row stride, in elements, of softmax levels: rounded up to 64, which is what the product with v is fastest on.
constexpr std::int64_t padded_levels(std::int64_t columns) { return (columns + 63) / 64 * 64; }

/// Softmax of integer scores, as integers. With x = scale * scores + bias + mask and e = exp(x - max of the row), in
/// (0, 1]: codes = round(255 e), or table[round(4095 e)] where `levels` has a table; row_sums = sum of the row's codes.
/// The probability is then code / row_sum: rows sum to exactly one. Without bias and mask the maximum is subtracted
/// before scaling, in integers. scores: s32 [groups, heads, rows, columns], row stride padded_columns(columns), else
/// dense, |score| < 2^30; what lies in the padding is ignored. codes: u8 of the same shape, row stride
/// padded_levels(columns); its padding becomes 0. row_sums: s32 [groups, heads, rows], dense. bias and mask as above.
void softmax_codes(const Tensor& scores, float scale, const Tensor& codes, const Tensor& row_sums,
                   std::span<const float> bias = {}, std::span<const float> mask = {},
                   const SoftmaxLevels& levels = {});

}  // namespace vitq
