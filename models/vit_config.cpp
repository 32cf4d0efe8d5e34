#include "models/vit_config.h"

#include "engine/error.h"
#include "models/config_parts.h"

namespace vitq {

bool is_vit(const Checkpoint& checkpoint) { return checkpoint.contains("pos_embed"); }

void infer_vit(const Checkpoint& checkpoint, ModelConfig& config) {
  VitConfig body;
  Stage& blocks = body.blocks;
  blocks.dim = dimension(checkpoint, "pos_embed", 3, 2);
  blocks.depth = count_blocks(checkpoint, "blocks.");
  blocks.hidden = dimension(checkpoint, "blocks.0.mlp.fc1.weight", 2, 0);
  body.distillation_token = checkpoint.contains("dist_token");
  config.body = body;
  if (checkpoint.contains("head.weight")) config.classes = dimension(checkpoint, "head.weight", 2, 0);
  const std::int64_t tokens = dimension(checkpoint, "pos_embed", 3, 1);
  const std::int64_t side = exact_root(tokens - body.prefix_tokens());
  check(side > 0, ErrorCode::kFormat, checkpoint.source(), ": pos_embed has ", tokens,
        " tokens; expected a square number of patches and ", body.prefix_tokens(), " more");
  config.image_size = side * config.patch;
}

void check_vit(const ModelConfig& config) { check_stage(config.vit().blocks); }

void add_vit_tensors(const ModelConfig& config, std::vector<TensorSpec>& tensors) {
  const VitConfig& body = config.vit();
  const Stage& blocks = body.blocks;
  const std::int64_t tokens = config.grid() * config.grid() + body.prefix_tokens();
  tensors.push_back({"cls_token", {1, 1, blocks.dim}});
  if (body.distillation_token) tensors.push_back({"dist_token", {1, 1, blocks.dim}});
  tensors.push_back({"pos_embed", {1, tokens, blocks.dim}});
  for (std::int64_t i = 0; i < blocks.depth; ++i) add_block(tensors, "blocks." + std::to_string(i), blocks, 0);
  add_norm(tensors, "norm", blocks.dim);
}

std::int64_t vit_macs(const ModelConfig& config) {
  const std::int64_t tokens = config.grid() * config.grid() + config.vit().prefix_tokens();
  return stage_macs(config.vit().blocks, tokens, tokens);
}

}  // namespace vitq
