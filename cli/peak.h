#pragma once
// What this CPU can do at best, measured: the yardstick of `vitq bench`.

#include "engine/encoding.h"

namespace vitq {

/// operands: kF32, kBF16, or kU8 for u8 x s8. Multiply-accumulates a second of oneDNN's own product on the shape it likes (512
/// x 1024 x 1024), the best of a tenth of a second, on `threads` threads. Not the data sheet's peak: what the library
/// gets out of this machine now.
double measured_peak(DType operands, int threads);

}  // namespace vitq
