#pragma once
// From the exact s32 sums of an integer product back to real numbers, or on to the codes of the next product: bias,
// GELU and residual. One pass over the sums.
//
// Everywhere: a code is round(clamp(value / scale + zero_point, least_code, most_code)), half to even, computed in
// float as value * (1 / scale) + zero_point, and then code_book[code] where the encoding has one. Sums convert to float
// as the hardware does it, rounded to 24 bits. A product that is added to is not rounded before (FMA).

#include <cstdint>
#include <span>

#include "engine/kernels/arguments.h"
#include "engine/tensor.h"

namespace vitq {

/// The real value of column c of a row of sums: sum * multiplier[c] + offset[c].
struct PerColumn {
  std::span<const float> multiplier;
  std::span<const float> offset;
};

/// The same for rows that have a scale each: (sum * multiplier[c] + offset[c]) * scale + bias[c].
struct RowScales {
  const float* scale = nullptr;      ///< [rows]; null: there are none
  std::span<const float> bias = {};  ///< [columns]
};

/// dst = epilogue(value of sums), as f32 or as codes by dst.encoding (f32 or u8). sums: s32 [rows, columns]; dst:
/// [rows, columns]; rows may be strided, columns are dense. Throws Error where shapes, encodings or the epilogue do not
/// fit.
void requantize(const Tensor& sums, const PerColumn& values, const Tensor& dst, Epilogue epilogue = Epilogue::kNone);

/// The same with row scales, as f32 alone.
void requantize(const Tensor& sums, const PerColumn& values, const RowScales& scales, const Tensor& dst,
                Epilogue epilogue = Epilogue::kNone);

/// f32 [rows, columns] -> u8 codes with a scale for each row, which goes to dst.row_scales: the least at which neither
/// the row's largest nor its least value leaves the codes, given the zero point of dst, which is the same for all rows.
/// With it a token whose values are a hundred times those of the others costs them nothing (LLM.int8's rows: Dettmers
/// et al., arXiv 2208.07339).
void quantize_rows(const Tensor& src, const Tensor& dst);

/// f32 [rows, columns] -> u8 or s8 codes by dst.encoding, those of quantize_rows() among them, or bf16. Rows may be
/// strided.
void quantize(const Tensor& src, const Tensor& dst);

}  // namespace vitq
