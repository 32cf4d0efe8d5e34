#include "models/vit.h"

#include <algorithm>

#include "engine/error.h"

namespace vitq {

namespace {

// pos_embed with the class and distillation tokens added to their rows: what the stream holds before any patch.
std::vector<float> read_position(const Checkpoint& checkpoint, bool distilled) {
  const auto embedding = checkpoint.f32("pos_embed");
  std::vector<float> position(embedding.begin(), embedding.end());
  auto row = position.begin();
  const auto add = [&](const std::string& name) {
    const auto token = checkpoint.f32(name);
    check(std::ssize(token) <= position.end() - row, checkpoint.source(), ": ", name, " has ", token.size(),
          " elements, more than pos_embed has room for");
    for (const float value : token) *row++ += value;
  };
  add("cls_token");
  if (distilled) add("dist_token");
  return position;
}

}  // namespace

Vit::Vit(const ModelConfig& config, const LayerReader& reader)
    : Backbone(reader.norm("norm", config.vit().blocks.dim, config.eps)),
      prefix_(config.vit().prefix_tokens()),
      tokens_(config.grid() * config.grid() + prefix_),
      dim_(config.vit().blocks.dim),
      position_(read_position(reader.checkpoint, config.vit().distillation_token)),
      patch_embed_(reader.linear("patch_embed.proj", dim_, config.patch_values())) {
  check(std::ssize(position_) == tokens_ * dim_, reader.checkpoint.source(), ": pos_embed has ", position_.size(),
        " elements, expected [", tokens_, ", ", dim_, "]");
  for (std::int64_t i = 0; i < config.vit().blocks.depth; ++i) {
    blocks_.push_back(reader.block("blocks." + std::to_string(i), config.vit().blocks, config.eps));
  }
}

void Vit::plan(std::int64_t batch, bool observed, BufferPlan& plan) const {
  const std::int64_t rows = batch * tokens_;
  plan.need(Slot::kEncoded, batch * (tokens_ - prefix_) * patch_embed_.linear.inputs());
  plan.need(Slot::kTokens, rows * dim_);
  plan.need(Slot::kNormed, rows * dim_);
  for (const Block& block : blocks_) block.plan({.groups = batch, .tokens = tokens_}, observed, plan);
}

bool Vit::embed(Workspace& workspace, const Tensor& patches, std::int64_t batch, Observer* observer) const {
  const std::int64_t count = tokens_ - prefix_;
  const Tensor src = encoded(workspace, patches, patch_embed_.linear);
  if (observer != nullptr && !observer->input(patch_embed_.name, src)) return false;
  const Tensor tokens = workspace.tensor(Slot::kTokens, {batch * tokens_, dim_});
  for (std::int64_t b = 0; b < batch; ++b) {
    float* first = tokens.row(b * tokens_);
    std::ranges::copy(position_, first);
    patch_embed_.linear.run(workspace.gemm(), rows_of(src, b * count, count),
                            Tensor(first + prefix_ * dim_, {count, dim_}), Epilogue::kAccumulate);
  }
  workspace.clock().lap(Step::kPatch);
  return true;
}

bool Vit::step(std::size_t index, Workspace& workspace, std::int64_t batch, Observer* observer) const {
  const Tensor tokens = workspace.tensor(Slot::kTokens, {batch * tokens_, dim_});
  return blocks_[index].run(workspace, tokens, {.groups = batch, .tokens = tokens_}, observer);
}

void Vit::visit_sites(const std::function<void(const SiteRef&)>& use) {
  use({.name = patch_embed_.name, .linear = &patch_embed_.linear});
  for (Block& block : blocks_) visit_block(block, use);
}

}  // namespace vitq
