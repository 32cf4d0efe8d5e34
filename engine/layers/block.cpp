#include "engine/layers/block.h"

namespace vitq {

void Block::plan(const AttentionShape& shape, bool observed, BufferPlan& plan) const {
  const std::int64_t rows = shape.groups * shape.tokens;
  plan.need(Slot::kNormed, rows * mlp.fc1.linear.inputs());
  attention.plan(shape, observed, plan);
  mlp.plan(rows, plan);
}

bool Block::run(Workspace& workspace, const Tensor& tokens, const AttentionShape& shape, Observer* observer) const {
  const bool is_done = norms_behind ? run_norms_last(workspace, tokens, shape, observer)
                                    : run_norms_first(workspace, tokens, shape, observer);
  if (is_done && observer != nullptr) observer->output(name, tokens);
  return is_done;
}

bool Block::run_norms_first(Workspace& workspace, const Tensor& tokens, const AttentionShape& shape,
                            Observer* observer) const {
  const Tensor attended = normalised(workspace, norm1, tokens, attention.qkv().linear, Slot::kNormed, shape.order);
  workspace.clock().lap(Step::kNorm);
  if (!attention.run(workspace, attended, tokens, Epilogue::kAccumulate, shape, observer)) return false;
  const Tensor normed = normalised(workspace, norm2, tokens, mlp.fc1.linear);
  workspace.clock().lap(Step::kNorm);
  return mlp.run(workspace, normed, tokens, Epilogue::kAccumulate, observer);
}

// What a branch makes stands in the slot of what it took, which is read by then.
bool Block::run_norms_last(Workspace& workspace, const Tensor& tokens, const AttentionShape& shape,
                           Observer* observer) const {
  const Tensor branch = workspace.tensor(Slot::kNormed, {tokens.rows(), tokens.columns()});
  const Tensor attended = gathered(workspace, tokens, shape.order, attention.qkv().linear);
  workspace.clock().lap(Step::kNorm);
  if (!attention.run(workspace, attended, branch, Epilogue::kNone, shape, observer)) return false;
  norm1.add(branch, tokens);
  workspace.clock().lap(Step::kNorm);
  if (!mlp.run(workspace, encoded(workspace, tokens, mlp.fc1.linear), branch, Epilogue::kNone, observer)) return false;
  norm2.add(branch, tokens);
  workspace.clock().lap(Step::kNorm);
  return true;
}

}  // namespace vitq
