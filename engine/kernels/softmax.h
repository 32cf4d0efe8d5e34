#pragma once
// Softmax over attention scores, in place, with what attention adds to them first: the scale head_dim^-0.5, Swin's
// relative position bias and the mask of shifted windows.

#include <cstdint>
#include <span>

#include "engine/kernels/softmax_levels.h"
#include "engine/tensor.h"

namespace vitq {

/// Row stride, in elements, of a score matrix with `columns` columns: rounded up to 16, so that row kernels run on
/// whole vectors. What lies between is scratch.
constexpr std::int64_t padded_columns(std::int64_t columns) { return (columns + 15) / 16 * 16; }

/// What is added to scaled scores. They are a matrix whose rows are counted over [groups, heads, tokens], or some rows
/// of that from `first_row` on: row r of all gets row r mod (heads tokens) of the bias and, group by group in turn, row
/// r mod tokens of one of the masks.
struct ScoreTerms {
  std::span<const float> bias = {};  ///< [heads, tokens, padded_columns], or empty
  std::span<const float> mask = {};  ///< [masks, tokens, padded_columns], or empty
  std::int64_t heads = 1;
  std::int64_t tokens = 1;
  std::int64_t first_row = 0;
};

/// scores = softmax(scale * scores + bias + mask), row by row, in place. scores: f32 [rows, columns], row stride
/// padded_columns(columns); the padding is overwritten. The row maximum is subtracted first; a score may be -inf but
/// not a whole row.
void softmax(const Tensor& scores, float scale, const ScoreTerms& terms = {});

/// Row stride, in elements, of bf16 probabilities: rounded up to 32, a row of AMX's tiles, which is what the product
/// with v is fastest on (oneDNN 2.6.3 on AMX, DeiT-S: 74 us, against 98 us with 16 and 83 us with 64).
constexpr std::int64_t padded_probabilities(std::int64_t columns) { return (columns + 31) / 32 * 32; }

/// The same as softmax, rounded to bf16. scores: as above, overwritten; probabilities: bf16 [rows, columns], row stride
/// padded_probabilities(columns); its padding becomes 0.
void softmax_bf16(const Tensor& scores, float scale, const Tensor& probabilities, const ScoreTerms& terms = {});

/// Row stride, in elements, of softmax levels: rounded up to 64, which is what the product with v is fastest on.
constexpr std::int64_t padded_levels(std::int64_t columns) { return (columns + 63) / 64 * 64; }

/// Softmax of integer scores, as integers. With x = scale * scores + bias + mask and e = exp(x - max of the row), in
/// (0, 1]: codes = 255 e, rounded from within 0.001 of it, or table[round(4095 e)] where `levels` has a table; row_sums
/// = sum of the row's codes. The probability is then code / row_sum: rows sum to exactly one. Without bias and mask the
/// maximum is subtracted before scaling, in integers. scores: s32 [rows, columns], row stride padded_columns(columns),
/// |score| < 2^30; what lies in the padding is ignored. codes: u8 [rows, columns], row stride padded_levels(columns);
/// its padding becomes 0. row_sums: s32, one for each row.
void softmax_codes(const Tensor& scores, float scale, const Tensor& codes, std::span<std::int32_t> row_sums,
                   const ScoreTerms& terms = {}, const SoftmaxLevels& levels = {});

}  // namespace vitq
