#pragma once
// The second half of a transformer block.

#include <cstdint>

#include "engine/layers/linear.h"
#include "engine/layers/observer.h"
#include "engine/layers/workspace.h"

namespace vitq {

struct Mlp {
  Layer fc1;
  Layer fc2;

  void plan(std::int64_t rows, BufferPlan& plan) const;

  /// residual += fc2(gelu(fc1(src))); src: [rows, dim] in the encoding of fc1; residual: f32 [rows, dim]. False: the
  /// observer has ended the pass.
  [[nodiscard]] bool run(Workspace& workspace, const Tensor& src, const Tensor& residual, Observer* observer) const;
};

}  // namespace vitq
