#include "models/swin_config.h"

#include "engine/error.h"
#include "models/config_parts.h"
#include "models/words.h"

namespace vitq {

bool is_swin(const Checkpoint& checkpoint) {
  return checkpoint.contains("layers.0.blocks.0.attn.relative_position_bias_table");
}

void infer_swin(const Checkpoint& checkpoint, ModelConfig& config) {
  SwinConfig body;
  for (std::size_t s = 0;; ++s) {
    const std::string blocks = "layers." + std::to_string(s) + ".blocks.";
    const std::int64_t depth = count_blocks(checkpoint, blocks);
    if (depth == 0) break;
    body.stages.push_back({.depth = depth,
                           .dim = dimension(checkpoint, blocks + "0.attn.proj.weight", 2, 0),
                           .heads = dimension(checkpoint, blocks + "0.attn.relative_position_bias_table", 2, 1),
                           .hidden = dimension(checkpoint, blocks + "0.mlp.fc1.weight", 2, 0)});
  }
  check(!body.stages.empty(), ErrorCode::kFormat, checkpoint.source(),
        ": no tensor layers.0.blocks.0.attn.proj.weight");
  const std::int64_t rows = dimension(checkpoint, "layers.0.blocks.0.attn.relative_position_bias_table", 2, 0);
  body.window = (exact_root(rows) + 1) / 2;
  config.body = std::move(body);
  if (checkpoint.contains("head.fc.weight")) config.classes = dimension(checkpoint, "head.fc.weight", 2, 0);
  // The mask of a shifted window has a matrix for each window of the picture. A stage of one window has none.
  for (std::size_t s = 0; s < config.swin().stages.size() && config.image_size == PictureSize(); ++s) {
    const Shape* mask = checkpoint.buffer("layers." + std::to_string(s) + ".blocks.1.attn_mask");
    if (mask == nullptr || mask->size() != 3) continue;
    config.image_size = (exact_root(mask->front()) * config.swin().window * config.patch) << s;
  }
}

void check_swin(const ModelConfig& config) {
  const SwinConfig& body = config.swin();
  check(!body.stages.empty(), "model: no stages");
  check(config.image_size.is_square(), ErrorCode::kUnsupported, "model: image size ", to_string(config.image_size),
        " is no square, as a Swin's must be");
  std::int64_t grid = config.grid().rows;
  for (const Stage& stage : body.stages) {
    check_stage(stage);
    check_extent(body.window, "window");
    check(grid % body.window == 0, "model: a grid of ", grid, " tokens is not a multiple of the window ", body.window,
          "; is the image size ", to_string(config.image_size), " right?");
    check(&stage == &body.stages.back() || grid % 2 == 0, "model: a grid of ", grid, " tokens cannot be merged 2x2");
    grid /= 2;
  }
}

void add_swin_tensors(const ModelConfig& config, std::vector<TensorSpec>& tensors) {
  const SwinConfig& body = config.swin();
  add_norm(tensors, "patch_embed.norm", body.stages.front().dim);
  for (std::size_t s = 0; s < body.stages.size(); ++s) {
    const std::string layer = "layers." + std::to_string(s);
    const Stage& stage = body.stages[s];
    if (s > 0) {
      const std::int64_t merged = 4 * body.stages[s - 1].dim;
      add_norm(tensors, layer + ".downsample.norm", merged);
      tensors.push_back({layer + ".downsample.reduction.weight", {stage.dim, merged}});
    }
    for (std::int64_t j = 0; j < stage.depth; ++j) {
      add_block(tensors, layer + ".blocks." + std::to_string(j), stage, body.window);
    }
  }
  add_norm(tensors, "norm", body.stages.back().dim);
}

std::int64_t swin_macs(const ModelConfig& config) {
  const SwinConfig& body = config.swin();
  std::int64_t grid = config.grid().rows;
  std::int64_t total = 0;
  for (std::size_t s = 0; s < body.stages.size(); ++s) {
    const Stage& stage = body.stages[s];
    if (s > 0) {
      grid /= 2;
      total += grid * grid * 4 * body.stages[s - 1].dim * stage.dim;
    }
    total += stage_macs(stage, grid * grid, body.window * body.window);
  }
  return total;
}

}  // namespace vitq
