#pragma once
// Products of two operands that a pass has made (q k^T and A v of attention) where weights are multiplied by BytePanels
// and FloatPanels: by the same loops, for which the second operand is packed each time. Bytes are exact, at any codes.

#include <cstdint>
#include <span>

#include "engine/tensor.h"

namespace vitq::operand_panels {

/// Whether operands of this type, the first's, are multiplied so here.
bool take(DType dtype);

/// Bytes of the memory that multiply() needs.
std::size_t scratch_bytes(const Tensor& a, const Tensor& b);

/// dst = a b, of its rows [first, last) counted over [n0, n1, rows], on the calling thread. a: f32, u8 or s8 [n0, n1,
/// rows, inner], b: f32 or s8 [n0, n1, inner, columns], dst: f32 or s32 [n0, n1, rows, columns], the columns of dst
/// side by side, other strides any. A row has the same bits whatever stands beside it.
void multiply(const Tensor& a, const Tensor& b, const Tensor& dst, std::span<std::byte> scratch, std::int64_t first,
              std::int64_t last);

}  // namespace vitq::operand_panels
