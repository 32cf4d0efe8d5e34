#pragma once
// Rows of an operand as vitq's own loops take them. For this folder only.

#include <algorithm>
#include <cstdint>

#include "engine/tensor.h"

namespace vitq {

/// Rows of From as dense rows of To, each with zeros behind it up to `padded` elements. rows: any strides.
template <class From, class To>
void lay_out(const Tensor& rows, std::int64_t padded, To* to) {
  const std::int64_t step = rows.strides[1];
  for (std::int64_t r = 0; r < rows.rows(); ++r, to += padded) {
    const auto* row = static_cast<const From*>(rows.data) + r * rows.strides[0];
    if (step == 1) {
      std::copy_n(row, rows.columns(), to);
    } else {
      for (std::int64_t i = 0; i < rows.columns(); ++i) std::copy_n(row + i * step, 1, to + i);
    }
    std::fill(to + rows.columns(), to + padded, To{0});
  }
}

}  // namespace vitq
