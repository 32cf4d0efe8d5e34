#include "engine/layers/mlp.h"

#include "engine/kernels/activation.h"
#include "engine/kernels/requantize.h"

namespace vitq {

void Mlp::plan(std::int64_t rows, BufferPlan& plan) const {
  const std::int64_t width = fc2.linear.inputs();
  plan.need(Slot::kHidden, rows * width);
  plan.need(Slot::kEncoded, rows * fc1.linear.inputs());
  plan.need(Slot::kRowScales, rows);
  plan.need(Slot::kHiddenScales, rows);
  if (norm || fc1.linear.is_integer() != fc2.linear.is_integer()) plan.need(Slot::kEncoded, rows * width);
}

// What the activation makes of fc1: in the encoding that the next takes, where that is possible at once.
Tensor Mlp::hidden(Workspace& workspace, const Tensor& src) const {
  const bool is_float = norm || fc1.linear.source() == kFloat;
  const Encoding written = is_float ? kFloat : fc2.linear.source();
  const Tensor result = workspace.codes(Slot::kHidden, src.rows(), fc2.linear.inputs(), written);
  const bool has_row_scales = written.row_scales || (fc1.linear.source().row_scales && written != kFloat);
  if (!is_gated && !has_row_scales) {
    fc1.linear.run(workspace.gemm(), src, result, epilogue_of(activation));
  } else {
    fc1.linear.run_blocks(workspace.gemm(), src, [&](std::int64_t first, const Tensor& block) {
      const Tensor rows = rows_of(result, first, block.rows());
      if (is_gated && !written.row_scales) {
        gate(block, activation, rows);
        return;
      }
      const Tensor activated(block.data, {block.rows(), result.columns()}, {block.strides[0], 1});
      if (is_gated) {
        gate(block, activation, activated);
      } else {
        activate(activated, activation);
      }
      quantize(activated, rows);
    });
  }
  workspace.clock().lap(Step::kFc1, Step::kGelu);
  return result;
}

bool Mlp::run(Workspace& workspace, const Tensor& src, const Tensor& dst, Epilogue epilogue, Observer* observer) const {
  if (observer != nullptr && !observer->input(fc1.name, src)) return false;
  const Tensor activated = hidden(workspace, src);
  const Tensor src_of_fc2 = norm ? normalised(workspace, *norm, activated, fc2.linear, Slot::kEncoded)
                                 : encoded(workspace, activated, fc2.linear);
  if (observer != nullptr && !observer->input(fc2.name, src_of_fc2)) return false;
  fc2.linear.run(workspace.gemm(), src_of_fc2, dst, epilogue);
  workspace.clock().lap(Step::kFc2, Step::kRequantize);
  return true;
}

}  // namespace vitq
