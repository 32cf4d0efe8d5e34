#include "models/backbone.h"

#include "engine/error.h"
#include "models/words.h"

namespace vitq {

void visit_block(Block& block, const std::function<void(const SiteRef&)>& use) {
  Attention& attention = block.attention;
  // A norm behind a branch feeds the stream, and no layer's codes.
  Norm* const before = block.norms_behind ? nullptr : &block.norm1;
  use({.name = attention.qkv().name, .linear = &attention.qkv().linear, .norm = before});
  use({.name = attention.name(), .attention = &attention});
  use({.name = attention.proj().name, .linear = &attention.proj().linear, .norm = attention.norm()});
  visit_mlp(block.norms_behind ? nullptr : &block.norm2, block.mlp, use);
}

void visit_mlp(Norm* norm, Mlp& mlp, const std::function<void(const SiteRef&)>& use) {
  use({.name = mlp.fc1.name, .linear = &mlp.fc1.linear, .norm = norm});
  use({.name = mlp.fc2.name, .linear = &mlp.fc2.linear, .norm = mlp.norm ? &*mlp.norm : nullptr});
}

Tensor Backbone::forward(Workspace& workspace, const Tensor& patches, std::int64_t batch, Observer* observer) const {
  if (!embed(workspace, patches, batch, observer)) return {};
  for (std::size_t i = 0; i < steps(); ++i) {
    if (!step(i, workspace, batch, observer)) return {};
  }
  return finish(workspace, batch, observer);
}

std::unique_ptr<Backbone> Backbone::resized(const ModelConfig& config) const {
  fail(ErrorCode::kUnsupported,
       "the model computes pictures of one size, found another: ", to_string(config.image_size));
}

Tensor Backbone::finish(Workspace& workspace, std::int64_t batch, Observer* observer) const {
  const StreamShape stream = stream_after(steps());
  const Tensor tokens = workspace.tensor(Slot::kTokens, {batch * stream.tokens, stream.dim});
  if (!norm_) return tokens;
  const Tensor normed = workspace.tensor(Slot::kNormed, {batch * stream.tokens, stream.dim});
  norm_->run(tokens, normed);
  workspace.clock().lap(Step::kNorm);
  if (observer != nullptr) observer->output(norm_->name, normed);
  return normed;
}

}  // namespace vitq
