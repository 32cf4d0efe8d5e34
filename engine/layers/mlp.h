#pragma once
// The second half of a transformer block, or what stands for it in a head.

#include <cstdint>
#include <optional>

#include "engine/kernels/arguments.h"
#include "engine/layers/linear.h"
#include "engine/layers/norm.h"
#include "engine/layers/observer.h"
#include "engine/layers/workspace.h"

namespace vitq {

struct Mlp {
  Layer fc1;
  Layer fc2;
  Activation activation = Activation::kGelu;
  bool is_gated = false;                    ///< fc1 makes a gate and, behind it, as many values that it gates (SwiGLU)
  std::optional<Norm> norm = std::nullopt;  ///< of what fc2 takes

  void plan(std::int64_t rows, BufferPlan& plan) const;

  /// dst = epilogue(fc2(norm(activation(fc1(src))))), or of fc2(norm(activation(gate) * values)); src: [rows, dim] in
  /// the encoding of fc1; dst: f32 [rows, dim]. False: the observer has ended the pass.
  [[nodiscard]] bool run(Workspace& workspace, const Tensor& src, const Tensor& dst, Epilogue epilogue,
                         Observer* observer) const;

 private:
  [[nodiscard]] Tensor hidden(Workspace& workspace, const Tensor& src) const;
};

}  // namespace vitq
