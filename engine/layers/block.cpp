#include "engine/layers/block.h"

namespace vitq {

void Block::plan(const AttentionShape& shape, bool observed, BufferPlan& plan) const {
  const std::int64_t rows = shape.groups * shape.tokens;
  plan.need(Slot::kNormed, rows * mlp.fc1.linear.inputs());
  attention.plan(shape, observed, plan);
  mlp.plan(rows, plan);
}

bool Block::run(Workspace& workspace, const Tensor& tokens, const AttentionShape& shape, Observer* observer) const {
  const Tensor attended = normalised(workspace, norm1, tokens, attention.qkv().linear, Slot::kNormed, shape.order);
  workspace.clock().lap(Step::kNorm);
  if (!attention.run(workspace, attended, tokens, Epilogue::kAccumulate, shape, observer)) return false;
  const Tensor normed = normalised(workspace, norm2, tokens, mlp.fc1.linear);
  workspace.clock().lap(Step::kNorm);
  if (!mlp.run(workspace, normed, tokens, observer)) return false;
  if (observer != nullptr) observer->output(name, tokens);
  return true;
}

}  // namespace vitq
