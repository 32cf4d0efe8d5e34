#pragma once
// From the exact s32 sums of an integer product back to real numbers, or on to the codes of the next product: bias,
// GELU, residual, the split into heads and their merge. One pass over the sums, the same bits on every CPU.
//
// Everywhere: a code is round(clamp(value / scale + zero_point, least_code, most_code)), half to even, computed in
// float as value * (1 / scale) + zero_point, and then code_book[code] where the encoding has one. Sums convert to float
// as the hardware does it, rounded to 24 bits.

#include <cstdint>
#include <span>

#include "engine/tensor.h"

namespace vitq {

/// What a layer does to its result before it is stored.
enum class Epilogue : std::uint8_t {
  kNone,        ///< dst = x
  kGelu,        ///< dst = x / 2 (1 + erf(x / sqrt 2)), the exact GELU; to u8 codes of what is 1.9e-4 off at most
  kAccumulate,  ///< dst += x, the residual connection; f32 only
};

/// The real value of column c of a row of sums: sum * multiplier[c] + offset[c].
struct PerColumn {
  std::span<const float> multiplier;
  std::span<const float> offset;
};

/// dst = epilogue(value of sums), as f32 or as codes by dst.encoding (f32 or u8). sums: s32 [rows, columns]; dst:
/// [rows, columns]; rows may be strided, columns are dense. Throws Error where shapes, encodings or the epilogue do not
/// fit.
void requantize(const Tensor& sums, const PerColumn& values, const Tensor& dst, Epilogue epilogue = Epilogue::kNone);

/// Sums of a qkv layer -> dense codes per head. sums: s32 [rows, 3 heads head_dim], rows `first_row` and on of the
/// groups x tokens there are in all. q: s8 [groups, heads, tokens, head_dim]; k, v: s8 [groups, heads, at least tokens,
/// head_dim], all dense and each with its own scale. The rows of k and v beyond the tokens become 0. (Why k and v are
/// padded: engine/matmul.h.)
void split_heads(const Tensor& sums, const PerColumn& values, std::int64_t first_row, const Tensor& q, const Tensor& k,
                 const Tensor& v);

/// The same of a float qkv layer, whose values are copied. values, q, k, v: all f32 or all bf16.
void split_heads(const Tensor& values, std::int64_t first_row, const Tensor& q, const Tensor& k, const Tensor& v);

/// Attention's output from the product of softmax levels and v: value = v_scale * sum / row_sum. sums: s32 [rows,
/// head_dim], dense, rows `first_row` and on of all [groups, heads, tokens]; row_sums: s32, positive, one for each of
/// these rows; dst: f32 or u8 [groups tokens, heads head_dim], of which the places of these rows are written. Token t,
/// counted over all groups, is row t of dst, or row to[t] (Swin's windows, back in the picture's order).
void merge_heads(const Tensor& sums, const std::int32_t* row_sums, std::int64_t first_row, std::int64_t tokens,
                 float v_scale, const Tensor& dst, std::span<const std::int32_t> to = {});

/// The same of a product of floats, whose values are copied. values, dst: both f32 or both bf16.
void merge_heads(const Tensor& values, std::int64_t first_row, std::int64_t tokens, const Tensor& dst,
                 std::span<const std::int32_t> to = {});

/// f32 [rows, columns] -> u8 or s8 codes by dst.encoding, or bf16. Rows may be strided.
void quantize(const Tensor& src, const Tensor& dst);

}  // namespace vitq
