#pragma once
// Between [tokens, heads side by side], which layers read and write, and a dense matrix for each head, which attention
// multiplies. Values become codes as engine/kernels/requantize.h states it. Throws Error where shapes or encodings do
// not fit.

#include <cstdint>
#include <span>

#include "engine/kernels/requantize.h"
#include "engine/tensor.h"

namespace vitq {

/// Sums of a qkv layer -> dense codes per head. sums: s32 [rows, 3 heads head_dim], rows `first_row` and on of the
/// groups x tokens there are in all. q: s8 [groups, heads, tokens, head_dim]; k, v: s8 [groups, heads, at least tokens,
/// head_dim], all dense and each with its own scale. The rows of k and v beyond the tokens become 0. (Why k and v are
/// padded: engine/gemm/gemm.h.)
void split_heads(const Tensor& sums, const PerColumn& values, std::int64_t first_row, const Tensor& q, const Tensor& k,
                 const Tensor& v);

/// The same of a float qkv layer, whose values are copied. values, q, k, v: all f32 or all bf16.
void split_heads(const Tensor& values, std::int64_t first_row, const Tensor& q, const Tensor& k, const Tensor& v);

/// The same of values that become something else: f32 [rows, 3 heads head_dim] -> s8 codes or bf16, by q, k and v.
void encode_heads(const Tensor& values, std::int64_t first_row, const Tensor& q, const Tensor& k, const Tensor& v);

/// Attention's output from the product of softmax levels and v: value = v_scale * sum / row_sum. sums: s32 [rows,
/// head_dim], dense, rows `first_row` and on of all [groups, heads, tokens]; row_sums: s32, positive, one for each of
/// these rows; dst: f32 or u8 [groups tokens, heads head_dim], of which the places of these rows are written. Token t,
/// counted over all groups, is row t of dst, or row to[t] (Swin's windows, back in the picture's order).
void merge_heads(const Tensor& sums, std::span<const std::int32_t> row_sums, std::int64_t first_row,
                 std::int64_t tokens, float v_scale, const Tensor& dst, std::span<const std::int32_t> to = {});

/// The same of a product of floats, whose values are copied. values, dst: both f32 or both bf16.
void merge_heads(const Tensor& values, std::int64_t first_row, std::int64_t tokens, const Tensor& dst,
                 std::span<const std::int32_t> to = {});

}  // namespace vitq
