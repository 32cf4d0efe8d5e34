#pragma once
// All loops, as the including unit is compiled, and their table.

#include "engine/kernels/dispatch.h"
#include "engine/kernels/rows/activation.h"
#include "engine/kernels/rows/code_book.h"
#include "engine/kernels/rows/heads.h"
#include "engine/kernels/rows/l2_norm.h"
#include "engine/kernels/rows/layer_norm.h"
#include "engine/kernels/rows/quantize_rows.h"
#include "engine/kernels/rows/requantize.h"
#include "engine/kernels/rows/rotate.h"
#include "engine/kernels/rows/search.h"
#include "engine/kernels/rows/softmax.h"
#include "engine/kernels/rows/softmax_codes.h"

namespace vitq::rows {
namespace {

constexpr KernelTable table(const char* name, LookUp look_up_of) {
  return {.name = name,
          .layer_norm = layer_norm,
          .layer_norm_added = layer_norm_added,
          .layer_norm_bf16 = layer_norm_bf16,
          .layer_norm_codes = layer_norm_codes,
          .l2_norm = l2_norm,
          .softmax = softmax,
          .softmax_bf16 = softmax_bf16,
          .softmax_codes = softmax_codes,
          .activate = activate,
          .activate_bf16 = activate_bf16,
          .gate = gate,
          .gate_bf16 = gate_bf16,
          .gate_codes = gate_codes,
          .rotate = rotate,
          .sums_to_floats = sums_to_floats,
          .scaled_sums_to_floats = scaled_sums_to_floats,
          .sums_to_codes = sums_to_codes,
          .quantize_rows = quantize_rows,
          .quantize = quantize,
          .round_to_bf16 = round_to_bf16,
          .split_heads = split_heads,
          .merge_heads = merge_heads,
          .look_up = look_up_of,
          .rounding_error = rounding_error,
          .all_finite = all_finite,
          .attention_error = attention_error,
          .nearest_planes = nearest_planes};
}

}  // namespace
}  // namespace vitq::rows
