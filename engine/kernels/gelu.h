#pragma once
// The exact (erf) GELU as a row kernel of ours: oneDNN's post-op costs a third of the product it is fused into.

#include "engine/tensor.h"

namespace vitq {

/// x <- x Phi(x) = x/2 (1 + erf(x / sqrt 2)) in place, f32 [rows, columns] with dense rows (arXiv 1606.08415). Phi(x) -
/// 1/2 is a rational function x P(x^2) / Q(x^2) on [-5.6, 5.6] and +-1/2 outside; absolute error of the result at most
/// 5e-7 max(1, |x|).
void gelu(const Tensor& x);

/// dst = x Phi(x), the same value rounded. x: f32, dst: bf16, both [rows, columns] with dense rows; no overlap.
void gelu(const Tensor& x, const Tensor& dst);

}  // namespace vitq
