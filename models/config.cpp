#include "models/config.h"

#include <cmath>
#include <string>

#include "engine/error.h"
#include "models/metadata.h"

namespace vitq {

namespace {

void add_linear(std::vector<TensorSpec>& tensors, const std::string& name, std::int64_t outputs, std::int64_t inputs) {
  tensors.push_back({name + ".weight", {outputs, inputs}});
  tensors.push_back({name + ".bias", {outputs}});
}

void add_norm(std::vector<TensorSpec>& tensors, const std::string& name, std::int64_t dim) {
  tensors.push_back({name + ".weight", {dim}});
  tensors.push_back({name + ".bias", {dim}});
}

void add_block(std::vector<TensorSpec>& tensors, const std::string& name, const Stage& stage, std::int64_t window) {
  add_norm(tensors, name + ".norm1", stage.dim);
  if (window > 0) {
    const std::int64_t offsets = 2 * window - 1;
    tensors.push_back({name + ".attn.relative_position_bias_table", {offsets * offsets, stage.heads}});
  }
  add_linear(tensors, name + ".attn.qkv", 3 * stage.dim, stage.dim);
  add_linear(tensors, name + ".attn.proj", stage.dim, stage.dim);
  add_norm(tensors, name + ".norm2", stage.dim);
  add_linear(tensors, name + ".mlp.fc1", stage.hidden, stage.dim);
  add_linear(tensors, name + ".mlp.fc2", stage.dim, stage.hidden);
}

void add_vit(std::vector<TensorSpec>& tensors, const ModelConfig& config) {
  const Stage& stage = config.stages.front();
  const std::int64_t tokens = config.grid() * config.grid() + config.prefix_tokens();
  tensors.push_back({"cls_token", {1, 1, stage.dim}});
  if (config.distilled) tensors.push_back({"dist_token", {1, 1, stage.dim}});
  tensors.push_back({"pos_embed", {1, tokens, stage.dim}});
  for (std::int64_t i = 0; i < stage.depth; ++i) add_block(tensors, "blocks." + std::to_string(i), stage, 0);
  add_norm(tensors, "norm", stage.dim);
  add_linear(tensors, "head", config.classes, stage.dim);
  if (config.distilled) add_linear(tensors, "head_dist", config.classes, stage.dim);
}

void add_swin(std::vector<TensorSpec>& tensors, const ModelConfig& config) {
  add_norm(tensors, "patch_embed.norm", config.stages.front().dim);
  for (std::size_t s = 0; s < config.stages.size(); ++s) {
    const std::string layer = "layers." + std::to_string(s);
    const Stage& stage = config.stages[s];
    if (s > 0) {
      const std::int64_t merged = 4 * config.stages[s - 1].dim;
      add_norm(tensors, layer + ".downsample.norm", merged);
      tensors.push_back({layer + ".downsample.reduction.weight", {stage.dim, merged}});
    }
    for (std::int64_t j = 0; j < stage.depth; ++j) {
      add_block(tensors, layer + ".blocks." + std::to_string(j), stage, config.window);
    }
  }
  add_norm(tensors, "norm", config.stages.back().dim);
  add_linear(tensors, "head.fc", config.classes, config.stages.back().dim);
}

void check_extent(std::int64_t value, const char* what) {
  constexpr std::int64_t kMost = 1 << 16;  // far above any published model, far below any overflow
  check(value >= 1 && value <= kMost, "model: ", what, " is ", value, ", expected 1 to ", kMost);
}

std::int64_t dimension(const Checkpoint& checkpoint, const std::string& name, std::size_t rank, std::size_t axis) {
  check(checkpoint.contains(name), ErrorCode::kFormat, checkpoint.source(), ": no tensor ", name,
        "; expected the names of timm, DeiT or Swin");
  const Shape& shape = checkpoint.shape(name);
  check(shape.size() == rank, ErrorCode::kFormat, checkpoint.source(), ": ", name, " has shape ", to_string(shape),
        ", expected ", rank, " dimensions");
  return shape[axis];
}

std::int64_t count_blocks(const Checkpoint& checkpoint, const std::string& prefix) {
  std::int64_t depth = 0;
  while (checkpoint.contains(prefix + std::to_string(depth) + ".attn.proj.weight")) ++depth;
  return depth;
}

/// 0 where it is no square, or one beyond all reason: a tensor without elements may have any extents.
std::int64_t exact_root(std::int64_t square) {
  constexpr std::int64_t kMost = std::int64_t{1} << 40;
  if (square < 0 || square > kMost) return 0;
  const auto root = static_cast<std::int64_t>(std::llround(std::sqrt(static_cast<double>(square))));
  return root * root == square ? root : 0;
}

void infer_vit(const Checkpoint& checkpoint, ModelConfig& config) {
  Stage stage;
  stage.dim = dimension(checkpoint, "pos_embed", 3, 2);
  stage.depth = count_blocks(checkpoint, "blocks.");
  stage.hidden = dimension(checkpoint, "blocks.0.mlp.fc1.weight", 2, 0);
  constexpr std::int64_t kPublishedHeadDim = 64;
  stage.heads = metadata_integer(checkpoint, "heads").value_or(stage.dim / kPublishedHeadDim);
  config.stages = {stage};
  config.distilled = checkpoint.contains("dist_token");
  config.eps = 1e-6F;
  config.classes = dimension(checkpoint, "head.weight", 2, 0);
  const std::int64_t tokens = dimension(checkpoint, "pos_embed", 3, 1);
  const std::int64_t side = exact_root(tokens - config.prefix_tokens());
  check(side > 0, ErrorCode::kFormat, checkpoint.source(), ": pos_embed has ", tokens,
        " tokens; expected a square number of patches and ", config.prefix_tokens(), " more");
  config.image_size = side * config.patch;
}

void infer_swin(const Checkpoint& checkpoint, ModelConfig& config) {
  for (std::size_t s = 0;; ++s) {
    const std::string blocks = "layers." + std::to_string(s) + ".blocks.";
    const std::int64_t depth = count_blocks(checkpoint, blocks);
    if (depth == 0) break;
    config.stages.push_back({.depth = depth,
                             .dim = dimension(checkpoint, blocks + "0.attn.proj.weight", 2, 0),
                             .heads = dimension(checkpoint, blocks + "0.attn.relative_position_bias_table", 2, 1),
                             .hidden = dimension(checkpoint, blocks + "0.mlp.fc1.weight", 2, 0)});
  }
  check(!config.stages.empty(), ErrorCode::kFormat, checkpoint.source(),
        ": no tensor layers.0.blocks.0.attn.proj.weight");
  const std::int64_t rows = dimension(checkpoint, "layers.0.blocks.0.attn.relative_position_bias_table", 2, 0);
  config.window = (exact_root(rows) + 1) / 2;
  config.eps = 1e-5F;
  config.classes = dimension(checkpoint, "head.fc.weight", 2, 0);
  config.image_size = 224;  // a Swin's shapes do not tell; metadata may
}

}  // namespace

std::string_view name_of(Architecture architecture) { return architecture == Architecture::kVit ? "vit" : "swin"; }

void check_config(const ModelConfig& config) {
  check_extent(config.image_size, "image size");
  check_extent(config.patch, "patch size");
  check_extent(config.classes, "number of classes");
  check(config.image_size % config.patch == 0, "model: image size ", config.image_size,
        " is not a multiple of the patch size ", config.patch);
  check(config.image_size <= 4096, "model: image size is ", config.image_size, ", expected at most 4096");
  check(config.eps > 0 && config.eps < 1, "model: LayerNorm eps is ", config.eps, ", expected a small positive number");
  check(!config.stages.empty(), "model: no stages");
  std::int64_t grid = config.grid();
  for (const Stage& stage : config.stages) {
    check_extent(stage.depth, "depth");
    check_extent(stage.dim, "width");
    check_extent(stage.heads, "number of heads");
    check_extent(stage.hidden, "MLP width");
    check(stage.dim % stage.heads == 0, "model: width ", stage.dim, " is not a multiple of ", stage.heads, " heads");
    if (config.architecture == Architecture::kVit) continue;
    check_extent(config.window, "window");
    check(grid % config.window == 0, "model: a grid of ", grid, " tokens is not a multiple of the window ",
          config.window, "; is the image size ", config.image_size, " right?");
    check(&stage == &config.stages.back() || grid % 2 == 0, "model: a grid of ", grid, " tokens cannot be merged 2x2");
    grid /= 2;
  }
}

std::vector<TensorSpec> expected_tensors(const ModelConfig& config) {
  std::vector<TensorSpec> tensors;
  const std::int64_t dim = config.stages.front().dim;
  tensors.push_back({"patch_embed.proj.weight", {dim, ModelConfig::kChannels, config.patch, config.patch}});
  tensors.push_back({"patch_embed.proj.bias", {dim}});
  if (config.architecture == Architecture::kVit) {
    add_vit(tensors, config);
  } else {
    add_swin(tensors, config);
  }
  return tensors;
}

std::int64_t parameter_count(const ModelConfig& config) {
  std::int64_t count = 0;
  for (const TensorSpec& tensor : expected_tensors(config)) count += element_count(tensor.shape);
  return count;
}

std::int64_t multiply_accumulates(const ModelConfig& config) {
  const bool swin = config.architecture == Architecture::kSwin;
  std::int64_t grid = config.grid();
  std::int64_t total = grid * grid * config.patch_values() * config.stages.front().dim;
  for (std::size_t s = 0; s < config.stages.size(); ++s) {
    const Stage& stage = config.stages[s];
    if (s > 0) {
      grid /= 2;
      total += grid * grid * 4 * config.stages[s - 1].dim * stage.dim;
    }
    const std::int64_t tokens = grid * grid + (swin ? 0 : config.prefix_tokens());
    const std::int64_t attended = swin ? config.window * config.window : tokens;  // tokens each token looks at
    const std::int64_t linear = 4 * stage.dim * stage.dim + 2 * stage.dim * stage.hidden;
    total += stage.depth * tokens * (linear + 2 * attended * stage.dim);
  }
  const std::int64_t heads = config.distilled ? 2 : 1;
  return total + heads * config.stages.back().dim * config.classes;
}

ModelConfig infer_config(const Checkpoint& checkpoint) {
  ModelConfig config;
  // A quantized patch embedding is stored as a matrix, which has lost the patch's size.
  const auto patch = metadata_integer(checkpoint, "patch_size");
  config.patch = patch ? *patch : dimension(checkpoint, "patch_embed.proj.weight", 4, 3);
  of_file(checkpoint, [&] { check_extent(config.patch, "patch size"); });  // sizes are computed from it
  if (checkpoint.contains("pos_embed")) {
    config.architecture = Architecture::kVit;
    infer_vit(checkpoint, config);
  } else {
    config.architecture = Architecture::kSwin;
    infer_swin(checkpoint, config);
  }
  config.image_size = metadata_integer(checkpoint, "image_size").value_or(config.image_size);
  config.eps = static_cast<float>(metadata_number(checkpoint, "eps").value_or(config.eps));
  of_file(checkpoint, [&] { check_config(config); });
  return config;
}

}  // namespace vitq
