#pragma once
// The nonlinearities of MLPs as row kernels of ours: oneDNN's post-op of GELU costs a third of the product it is fused
// into.

#include <optional>

#include "engine/kernels/arguments.h"
#include "engine/tensor.h"

namespace vitq {

/// dst = f(x).
Epilogue epilogue_of(Activation f);
/// The other way round; nothing where there is none.
std::optional<Activation> activation_of(Epilogue epilogue);

/// x <- f(x) in place, f32 [rows, columns] with dense rows. kGelu: Phi(x) - 1/2 is a rational function x P(x^2) /
/// Q(x^2) on [-5.6, 5.6] and +-1/2 outside; all others are x sigmoid(a polynomial of x), with expf as in
/// engine/kernels/softmax.h. Absolute error of the result at most 5e-7 max(1, |x|).
void activate(const Tensor& x, Activation f);

/// dst = f(x), the same value rounded. x: f32, dst: bf16, both [rows, columns] with dense rows; no overlap.
void activate(const Tensor& x, Activation f, const Tensor& dst);

/// dst[i] = f(halves[i]) * halves[i + columns]: the gate of a gated linear unit (Shazeer, arXiv 2002.05202), whose
/// product has written it and what it gates side by side. halves: f32 [rows, 2 columns]; dst: f32, bf16 or u8 codes
/// (engine/kernels/requantize.h), [rows, columns]; rows may be strided; dst may begin where halves does if it is f32.
void gate(const Tensor& halves, Activation f, const Tensor& dst);

}  // namespace vitq
