#include "models/config_parts.h"

#include <cmath>

#include "engine/error.h"
#include "weights/artifact.h"

namespace vitq {

void check_extent(std::int64_t value, const char* what) {
  constexpr std::int64_t kMost = 1 << 16;
  check(value >= 1 && value <= kMost, "model: ", what, " is ", value, ", expected 1 to ", kMost);
}

void check_stage(const Stage& stage) {
  check_extent(stage.depth, "depth");
  check_extent(stage.dim, "width");
  check_extent(stage.heads, "number of heads");
  check_extent(stage.hidden, "MLP width");
  check(stage.dim % stage.heads == 0, "model: width ", stage.dim, " is not a multiple of ", stage.heads, " heads");
}

std::int64_t dimension(const Checkpoint& checkpoint, const std::string& name, std::size_t rank, std::size_t axis) {
  check(checkpoint.contains(name), ErrorCode::kFormat, checkpoint.source(), ": no tensor ", name,
        "; expected the names of timm, DeiT or Swin");
  const Shape& shape = checkpoint.shape(name);
  check(shape.size() == rank, ErrorCode::kFormat, checkpoint.source(), ": ", name, " has shape ", to_string(shape),
        ", expected ", rank, " dimensions");
  return shape[axis];
}

Shape linear_shape(const Checkpoint& checkpoint, const std::string& layer) {
  if (auto shape = quantized_shape(checkpoint, layer)) return *shape;
  const std::string name = layer + ".weight";
  check(checkpoint.contains(name), ErrorCode::kFormat, checkpoint.source(), ": no tensor ", name);
  const Shape& shape = checkpoint.shape(name);
  check(shape.size() >= 2, ErrorCode::kFormat, checkpoint.source(), ": ", name, " has shape ", to_string(shape),
        ", expected [outputs, inputs]");
  return {shape[0], shape[0] == 0 ? 0 : element_count(shape) / shape[0]};
}

std::int64_t count_blocks(const Checkpoint& checkpoint, const std::string& prefix) {
  std::int64_t depth = 0;
  while (checkpoint.contains(prefix + std::to_string(depth) + ".attn.proj.weight")) ++depth;
  return depth;
}

std::int64_t exact_root(std::int64_t square) {
  constexpr std::int64_t kMost = std::int64_t{1} << 40;
  if (square < 0 || square > kMost) return 0;
  const auto root = static_cast<std::int64_t>(std::llround(std::sqrt(static_cast<double>(square))));
  return root * root == square ? root : 0;
}

void add_linear(std::vector<TensorSpec>& tensors, const std::string& name, std::int64_t outputs, std::int64_t inputs) {
  tensors.push_back({name + ".weight", {outputs, inputs}});
  tensors.push_back({name + ".bias", {outputs}});
}

void add_norm(std::vector<TensorSpec>& tensors, const std::string& name, std::int64_t dim, bool has_bias) {
  tensors.push_back({name + ".weight", {dim}});
  if (has_bias) tensors.push_back({name + ".bias", {dim}});
}

void add_block(std::vector<TensorSpec>& tensors, const std::string& name, const Stage& stage, std::int64_t window,
               bool has_norm_bias) {
  add_norm(tensors, name + ".norm1", stage.dim, has_norm_bias);
  if (window > 0) {
    const std::int64_t offsets = 2 * window - 1;
    tensors.push_back({name + ".attn.relative_position_bias_table", {offsets * offsets, stage.heads}});
  }
  if (stage.cosine) tensors.push_back({name + ".attn.logit_scale", {stage.heads, 1, 1}});
  add_linear(tensors, name + ".attn.qkv", 3 * stage.dim, stage.dim);
  if (!stage.qkv_bias) tensors.pop_back();
  if (stage.qk_norm) {
    add_norm(tensors, name + ".attn.q_norm", stage.head_dim(), has_norm_bias);
    add_norm(tensors, name + ".attn.k_norm", stage.head_dim(), has_norm_bias);
  }
  if (stage.attn_norm) add_norm(tensors, name + ".attn.norm", stage.dim, has_norm_bias);
  const auto add = [&](const std::string& layer, std::int64_t outputs, std::int64_t inputs) {
    add_linear(tensors, name + layer, outputs, inputs);
    if (!stage.other_biases) tensors.pop_back();
  };
  add(".attn.proj", stage.dim, stage.dim);
  add_norm(tensors, name + ".norm2", stage.dim, has_norm_bias);
  add(".mlp.fc1", stage.is_gated ? 2 * stage.hidden : stage.hidden, stage.dim);
  if (stage.mlp_norm) add_norm(tensors, name + ".mlp.norm", stage.hidden, has_norm_bias);
  add(".mlp.fc2", stage.dim, stage.hidden);
}

std::int64_t stage_macs(const Stage& stage, std::int64_t tokens, std::int64_t attended) {
  const std::int64_t mlp = (stage.is_gated ? 3 : 2) * stage.dim * stage.hidden;
  const std::int64_t linear = 4 * stage.dim * stage.dim + mlp;
  return stage.depth * tokens * (linear + 2 * attended * stage.dim);
}

}  // namespace vitq
