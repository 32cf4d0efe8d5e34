#pragma once
// What this CPU can do at best, measured: the yardstick of `vitq bench`.

#include <vector>

#include "engine/gemm/gemm.h"
#include "engine/layers/linear.h"

namespace vitq {

/// A product of oneDNN's on the shape it likes (512 x 1024 x 1024). Not the data sheet's peak: what the library gets
/// out of this machine now.
class PeakProbe {
 public:
  /// operands: kF32, kBF16, or kU8 for u8 x s8.
  PeakProbe(DType operands, int threads);

  /// Multiply-accumulates a second, of the best of three.
  double measure();

 private:
  int threads_;
  Gemm gemm_;
  Linear layer_;
  std::vector<float> src_, dst_;
};

}  // namespace vitq
