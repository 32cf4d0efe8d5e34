#include "engine/layers/mlp.h"

#include "engine/layers/norm.h"

namespace vitq {

void Mlp::plan(std::int64_t rows, BufferPlan& plan) const {
  plan.need(Slot::kHidden, rows * fc1.linear.outputs());
  if (fc1.linear.is_integer() != fc2.linear.is_integer()) plan.need(Slot::kEncoded, rows * fc1.linear.outputs());
}

bool Mlp::run(Workspace& workspace, const Tensor& src, const Tensor& residual, Observer* observer) const {
  if (observer != nullptr && !observer->input(fc1.name, src)) return false;
  // A layer that is no f32 one writes what the next takes.
  const Encoding written = fc1.linear.source() != kFloat ? fc2.linear.source() : kFloat;
  const Tensor activated = workspace.tensor(Slot::kHidden, {src.rows(), fc1.linear.outputs()}, written);
  fc1.linear.run(workspace.gemm(), src, activated, Epilogue::kGelu);
  workspace.clock().lap(Step::kFc1, Step::kGelu);
  const Tensor src_of_fc2 = encoded(workspace, activated, fc2.linear);
  if (observer != nullptr && !observer->input(fc2.name, src_of_fc2)) return false;
  fc2.linear.run(workspace.gemm(), src_of_fc2, residual, Epilogue::kAccumulate);
  workspace.clock().lap(Step::kFc2, Step::kRequantize);
  return true;
}

}  // namespace vitq
