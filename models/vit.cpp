#include "models/vit.h"

#include <algorithm>

#include "engine/error.h"
#include "models/positions.h"

namespace vitq {

// What the stream holds before any patch: the prefix tokens, and what is stored for the patches.
Vit::StoredPositions Vit::read_positions(const Checkpoint& checkpoint, const ModelConfig& model) {
  const VitConfig& config = model.vit();
  auto patches = checkpoint.f32_if_there("pos_embed");
  StoredPositions stored;
  stored.prefix.resize(config.prefix_tokens() * config.blocks.dim);
  if (config.prefix_positions) {
    check(patches.size() >= stored.prefix.size(), checkpoint.source(), ": pos_embed has ", patches.size(),
          " elements, expected more than ", stored.prefix.size());
    std::copy_n(patches.begin(), stored.prefix.size(), stored.prefix.begin());
    patches = patches.subspan(stored.prefix.size());
  }
  const Grid grid = config.position_grid.count() > 0 ? config.position_grid : model.grid();
  check(std::ssize(patches) == (config.positions ? grid.count() * config.blocks.dim : 0), checkpoint.source(),
        ": pos_embed has ", patches.size(), " elements for patches, expected ", grid.rows, " x ", grid.columns, " x ",
        config.blocks.dim);
  stored.patches.assign(patches.begin(), patches.end());
  auto row = stored.prefix.begin();
  const auto add = [&](const std::string& name) {
    const auto token = checkpoint.f32(name);
    check(std::ssize(token) <= stored.prefix.end() - row, checkpoint.source(), ": ", name, " has ", token.size(),
          " elements, expected ", stored.prefix.end() - row, " at most");
    for (const float value : token) *row++ += value;
  };
  if (config.class_token) add("cls_token");
  if (config.distillation_token) add("dist_token");
  if (config.registers > 0) add("reg_token");
  return stored;
}

Vit::Vit(const ModelConfig& config, const LayerReader& reader)
    : Backbone(reader.norm_if(config.vit().final_norm, "norm", config.vit().blocks.dim)),
      prefix_(config.vit().prefix_tokens()),
      dim_(config.vit().blocks.dim),
      patch_embed_(reader.linear("patch_embed.proj", dim_, config.patch_values())),
      pre_norm_(reader.norm_if(config.vit().pre_norm, "norm_pre", dim_)),
      stored_(std::make_shared<const StoredPositions>(read_positions(reader.checkpoint, config))) {
  const VitConfig& body = config.vit();
  for (std::int64_t i = 0; i < body.blocks.depth; ++i) {
    const std::string name = "blocks." + std::to_string(i);
    blocks_.push_back(reader.block(name, body.blocks));
    if (!body.relative_bias) continue;
    const auto table = reader.checkpoint.f32(name + ".attn.relative_position_bias_table");
    biases_.push_back(relative_bias_with_class(table, config.grid(), body.blocks.heads));
  }
  place(config);
}

std::unique_ptr<Backbone> Vit::resized(const ModelConfig& config) const {
  std::unique_ptr<Vit> other(new Vit(*this));
  other->place(config);
  return other;
}

void Vit::place(const ModelConfig& config) {
  const VitConfig& body = config.vit();
  const Grid grid = config.grid();
  tokens_ = grid.count() + prefix_;
  position_ = stored_->prefix;
  if (!body.positions) {
    position_.resize(tokens_ * dim_);
  } else if (body.position_grid.count() == 0) {
    position_.insert(position_.end(), stored_->patches.begin(), stored_->patches.end());
  } else {
    const auto resampled = resample_positions(stored_->patches, body.position_grid, grid, dim_, body.position_filter);
    position_.insert(position_.end(), resampled.begin(), resampled.end());
  }
  if (body.rope != Rope::kNone) rotation_ = rotation_tables(body.rope, grid, body.blocks.head_dim());
}

void Vit::plan(std::int64_t batch, bool observed, BufferPlan& plan) const {
  const std::int64_t rows = batch * tokens_;
  plan.need(Slot::kEncoded, batch * (tokens_ - prefix_) * patch_embed_.linear.inputs());
  plan.need(Slot::kTokens, rows * dim_);
  plan.need(Slot::kNormed, rows * dim_);
  for (const Block& block : blocks_) block.plan(shape_of(0, batch), observed, plan);
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
  if (pre_norm_) {
    pre_norm_->run(tokens, tokens);
    workspace.clock().lap(Step::kNorm);
  }
  return true;
}

bool Vit::step(std::size_t index, Workspace& workspace, std::int64_t batch, Observer* observer) const {
  const Tensor tokens = workspace.tensor(Slot::kTokens, {batch * tokens_, dim_});
  return blocks_[index].run(workspace, tokens, shape_of(index, batch), observer);
}

AttentionShape Vit::shape_of(std::size_t block, std::int64_t batch) const {
  return {.groups = batch,
          .tokens = tokens_,
          .bias = biases_.empty() ? std::span<const float>() : std::span<const float>(biases_[block]),
          .rotation = {.cosine = rotation_.cosine,
                       .sine = rotation_.sine,
                       .prefix = prefix_,
                       .pairs_neighbours = rotation_.pairs_neighbours}};
}

void Vit::visit_sites(const std::function<void(const SiteRef&)>& use) {
  use({.name = patch_embed_.name, .linear = &patch_embed_.linear});
  for (Block& block : blocks_) visit_block(block, use);
}

}  // namespace vitq
