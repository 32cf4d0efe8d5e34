#include "models/vit_config.h"

#include "engine/error.h"
#include "models/config_parts.h"
#include "weights/artifact.h"

namespace vitq {

bool is_vit(const Checkpoint& checkpoint) { return checkpoint.contains("pos_embed"); }

void infer_vit(const Checkpoint& checkpoint, ModelConfig& config) {
  VitConfig body;
  Stage& blocks = body.blocks;
  blocks.dim = dimension(checkpoint, "pos_embed", 3, 2);
  blocks.depth = count_blocks(checkpoint, "blocks.");
  blocks.hidden = dimension(checkpoint, "blocks.0.mlp.fc1.weight", 2, 0);
  // An artifact stores a bias with every quantized layer.
  const auto has_bias = [&](const std::string& layer) {
    return checkpoint.contains(layer + ".bias") || quantized_shape(checkpoint, layer).has_value();
  };
  blocks.qkv_bias = has_bias("blocks.0.attn.qkv");
  body.patch_bias = has_bias("patch_embed.proj");
  body.class_token = checkpoint.contains("cls_token");
  body.distillation_token = checkpoint.contains("dist_token");
  if (checkpoint.contains("reg_token")) body.registers = dimension(checkpoint, "reg_token", 3, 1);
  body.pre_norm = checkpoint.contains("norm_pre.weight");
  body.fc_norm = checkpoint.contains("fc_norm.weight");
  body.final_norm = checkpoint.contains("norm.weight");
  if (!body.class_token || body.fc_norm) body.pool = Pool::kMean;
  if (checkpoint.contains("head.weight")) {
    config.classes = dimension(checkpoint, "head.weight", 2, 0);
    config.head_bias = has_bias("head");
  }
  const std::int64_t tokens = dimension(checkpoint, "pos_embed", 3, 1);
  std::int64_t side = exact_root(tokens - body.prefix_tokens());
  body.prefix_positions = side > 0;
  if (side == 0) side = exact_root(tokens);
  check(side > 0, ErrorCode::kFormat, checkpoint.source(), ": pos_embed has ", tokens,
        " tokens; expected a square number of patches and ", body.prefix_tokens(), " more, or none");
  config.body = body;
  config.image_size = side * config.patch;
}

void check_vit(const ModelConfig& config) { check_stage(config.vit().blocks); }

void add_vit_tensors(const ModelConfig& config, std::vector<TensorSpec>& tensors) {
  const VitConfig& body = config.vit();
  const Stage& blocks = body.blocks;
  const std::int64_t grid = body.position_grid > 0 ? body.position_grid : config.grid();
  const std::int64_t positions = grid * grid + (body.prefix_positions ? body.prefix_tokens() : 0);
  if (body.class_token) tensors.push_back({"cls_token", {1, 1, blocks.dim}});
  if (body.distillation_token) tensors.push_back({"dist_token", {1, 1, blocks.dim}});
  if (body.registers > 0) tensors.push_back({"reg_token", {1, body.registers, blocks.dim}});
  tensors.push_back({"pos_embed", {1, positions, blocks.dim}});
  if (body.pre_norm) add_norm(tensors, "norm_pre", blocks.dim);
  for (std::int64_t i = 0; i < blocks.depth; ++i) add_block(tensors, "blocks." + std::to_string(i), blocks, 0);
  if (body.final_norm) add_norm(tensors, "norm", blocks.dim);
}

std::int64_t vit_macs(const ModelConfig& config) {
  const std::int64_t tokens = config.grid() * config.grid() + config.vit().prefix_tokens();
  return stage_macs(config.vit().blocks, tokens, tokens);
}

}  // namespace vitq
