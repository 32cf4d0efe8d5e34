#include "models/vit_config.h"

#include "engine/error.h"
#include "models/config_parts.h"
#include "models/metadata.h"
#include "weights/artifact.h"

namespace vitq {

namespace {

// Whether a layer's or a norm's parameter is there, in either of its forms. An artifact stores a bias with every
// quantized layer.
bool has_bias(const Checkpoint& checkpoint, const std::string& layer) {
  return checkpoint.contains(layer + ".bias") || quantized_shape(checkpoint, layer).has_value();
}

bool has_norm(const Checkpoint& checkpoint, const std::string& norm) {
  return checkpoint.contains(norm + ".weight") || has_folded_norm(checkpoint, norm);
}

// The norms of an artifact, folded into codes, have lost what tells one kind from the other.
bool has_rms_norms(const Checkpoint& checkpoint) {
  const std::string first = "blocks.0.norm1";
  if (!has_folded_norm(checkpoint, first)) {
    return !checkpoint.contains(first + ".bias") && !checkpoint.contains("blocks.0.norm2.bias");
  }
  return is_of_vitq(checkpoint) && metadata_text(checkpoint, "norm") == "rms";
}

// Blocks of timm's VisionTransformer that vitq does not compute, told by a tensor that no other has.
struct RefusedBlocks {
  std::string_view tensor;
  std::string_view what;
};
constexpr RefusedBlocks kRefusedBlocks[] = {
    {"attn.lambda_q1", "differential attention"},
    {"lambda_q1", "differential attention"},
    {"attn.lambda_a", "differential attention"},
    {"lambda_a", "differential attention"},
    {"in_proj.weight", "parallel blocks (attention beside the MLP, timm's ParallelScalingBlock)"},
    {"attns.0.attn.qkv.weight", "parallel blocks (several attentions side by side, timm's ParallelThingsBlock)"},
};

void refuse_blocks(const Checkpoint& checkpoint) {
  for (const auto& [tensor, what] : kRefusedBlocks) {
    const std::string name = "blocks.0." + std::string(tensor);
    check(!checkpoint.contains(name), ErrorCode::kUnsupported, checkpoint.source(), ": has ", name, " of ", what,
          ", vitq computes blocks with one attention and then one MLP");
  }
}

Stage infer_blocks(const Checkpoint& checkpoint) {
  const std::string first = "blocks.0";
  Stage blocks;
  blocks.dim = linear_shape(checkpoint, "patch_embed.proj").front();
  blocks.depth = count_blocks(checkpoint, "blocks.");
  const Shape fc1 = linear_shape(checkpoint, first + ".mlp.fc1");
  blocks.hidden = linear_shape(checkpoint, first + ".mlp.fc2").back();
  blocks.is_gated = fc1.front() == 2 * blocks.hidden;
  blocks.qkv_bias = has_bias(checkpoint, first + ".attn.qkv");
  blocks.other_biases = has_bias(checkpoint, first + ".attn.proj");
  blocks.qk_norm = has_norm(checkpoint, first + ".attn.q_norm");
  blocks.attn_norm = has_norm(checkpoint, first + ".attn.norm");
  blocks.mlp_norm = has_norm(checkpoint, first + ".mlp.norm");
  // What else tells of them: how many there are and how wide.
  if (blocks.qk_norm) blocks.heads = blocks.dim / dimension(checkpoint, first + ".attn.q_norm.weight", 1, 0);
  if (checkpoint.contains(first + ".attn.relative_position_bias_table")) {
    blocks.heads = dimension(checkpoint, first + ".attn.relative_position_bias_table", 2, 1);
  }
  return blocks;
}

void infer_head(const Checkpoint& checkpoint, ModelConfig& config, VitConfig& body) {
  body.fc_norm = checkpoint.contains("fc_norm.weight");
  body.final_norm = checkpoint.contains("norm.weight");
  if (!body.class_token || body.fc_norm) body.pool = Pool::kMean;
  if (checkpoint.contains("attn_pool.latent")) {
    body.pool = Pool::kAttention;
    body.pool_hidden = linear_shape(checkpoint, "attn_pool.mlp.fc1").front();
  }
  if (!checkpoint.contains("head.weight")) return;
  const Shape head = linear_shape(checkpoint, "head");
  config.classes = head.front();
  config.head_bias = has_bias(checkpoint, "head");
  if (head.back() == 2 * body.blocks.dim) body.pool = Pool::kClassAndMean;
}

// The side of a square picture in patches; 0 where nothing tells, or it is no square.
std::int64_t infer_positions(const Checkpoint& checkpoint, VitConfig& body) {
  const std::string table = "blocks.0.attn.relative_position_bias_table";
  body.relative_bias = checkpoint.contains(table);
  body.positions = checkpoint.contains("pos_embed");
  body.prefix_positions = false;
  if (body.relative_bias) {
    constexpr std::int64_t kOfClass = 3;
    const std::int64_t rows = dimension(checkpoint, table, 2, 0);
    const std::int64_t offsets = exact_root(rows - kOfClass);
    check(offsets % 2 == 1, ErrorCode::kFormat, checkpoint.source(), ": ", table, " has ", rows,
          " rows, expected (2 patches - 1)^2 + 3");
    return (offsets + 1) / 2;
  }
  if (!body.positions) return 0;
  const std::int64_t tokens = dimension(checkpoint, "pos_embed", 3, 1);
  of_file(checkpoint, [&] { check_extent(tokens, "number of positions"); });  // sizes are computed from it
  const std::int64_t side = exact_root(tokens - body.prefix_tokens());
  body.prefix_positions = side > 0;
  return side > 0 ? side : exact_root(tokens);
}

}  // namespace

bool is_vit(const Checkpoint& checkpoint) {
  return checkpoint.contains("pos_embed") || checkpoint.contains("blocks.0.attn.proj.weight");
}

void infer_vit(const Checkpoint& checkpoint, ModelConfig& config) {
  refuse_blocks(checkpoint);
  VitConfig body;
  body.patch_bias = has_bias(checkpoint, "patch_embed.proj");
  body.class_token = checkpoint.contains("cls_token");
  body.distillation_token = checkpoint.contains("dist_token");
  if (checkpoint.contains("reg_token")) body.registers = dimension(checkpoint, "reg_token", 3, 1);
  body.pre_norm = checkpoint.contains("norm_pre.weight");
  config.image_size = infer_positions(checkpoint, body) * config.patch;
  config.rms_norm = has_rms_norms(checkpoint);
  body.blocks = infer_blocks(checkpoint);
  infer_head(checkpoint, config, body);
  config.body = body;
}

void check_vit(const ModelConfig& config) {
  const VitConfig& body = config.vit();
  check_stage(body.blocks);
  check(body.class_token || body.pool != Pool::kClassToken, "model: there is no class token to take, expected a pool");
  if (body.pool == Pool::kAttention) check_extent(body.pool_hidden, "MLP width of the pool");
  constexpr std::int64_t kAngles = 4;  // of a head, for rows and columns
  check(body.rope == Rope::kNone || body.blocks.head_dim() % kAngles == 0, "model: heads of ", body.blocks.head_dim(),
        " cannot be rotated, expected a multiple of ", kAngles);
  check(!body.relative_bias || body.position_grid == Grid(),
        "model: relative positions hold for the size that they were trained with, expected ",
        body.position_grid.columns * config.patch, " pixels");
}

void add_vit_tensors(const ModelConfig& config, std::vector<TensorSpec>& tensors) {
  const VitConfig& body = config.vit();
  const Stage& blocks = body.blocks;
  const std::int64_t dim = blocks.dim;
  const bool has_norm_bias = !config.rms_norm;
  const Grid grid = body.position_grid.count() > 0 ? body.position_grid : config.grid();
  if (body.class_token) tensors.push_back({"cls_token", {1, 1, dim}});
  if (body.distillation_token) tensors.push_back({"dist_token", {1, 1, dim}});
  if (body.registers > 0) tensors.push_back({"reg_token", {1, body.registers, dim}});
  if (body.positions) {
    const std::int64_t rows = grid.count() + (body.prefix_positions ? body.prefix_tokens() : 0);
    tensors.push_back({"pos_embed", {1, rows, dim}});
  }
  if (body.pre_norm) add_norm(tensors, "norm_pre", dim, has_norm_bias);
  for (std::int64_t i = 0; i < blocks.depth; ++i) {
    const std::string name = "blocks." + std::to_string(i);
    if (body.relative_bias) {
      const std::int64_t rows = (2 * grid.rows - 1) * (2 * grid.columns - 1) + 3;
      tensors.push_back({name + ".attn.relative_position_bias_table", {rows, blocks.heads}});
    }
    add_block(tensors, name, blocks, 0, has_norm_bias);
  }
  if (body.final_norm) add_norm(tensors, "norm", dim, has_norm_bias);
  if (body.pool != Pool::kAttention) return;
  tensors.push_back({"attn_pool.latent", {1, 1, dim}});
  add_linear(tensors, "attn_pool.q", dim, dim);
  add_linear(tensors, "attn_pool.kv", 2 * dim, dim);
  add_linear(tensors, "attn_pool.proj", dim, dim);
  add_norm(tensors, "attn_pool.norm", dim, has_norm_bias);
  add_linear(tensors, "attn_pool.mlp.fc1", body.pool_hidden, dim);
  add_linear(tensors, "attn_pool.mlp.fc2", dim, body.pool_hidden);
}

std::int64_t vit_macs(const ModelConfig& config) {
  const VitConfig& body = config.vit();
  const std::int64_t dim = body.blocks.dim;
  const std::int64_t tokens = config.grid().count() + body.prefix_tokens();
  const std::int64_t blocks = stage_macs(body.blocks, tokens, tokens);
  if (body.pool != Pool::kAttention) return blocks;
  // The query's products with each token and with what they add up to (engine/layers/attention_pool.h).
  return blocks + 2 * tokens * body.blocks.heads * dim + 2 * dim * dim + 2 * dim * body.pool_hidden;
}

}  // namespace vitq
