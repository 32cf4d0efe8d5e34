#include "models/swin_config.h"

#include "engine/error.h"
#include "models/config_parts.h"
#include "models/words.h"

namespace vitq {

namespace {

constexpr const char* kTable = "0.attn.relative_position_bias_table";
constexpr const char* kLogitScale = "0.attn.logit_scale";  // [heads, 1, 1]

// Tokens a side of the windows, from the table's rows, or of a Swin V2, which has none, from what its files may keep
// beside the tensors: the coordinates [1, 2 window - 1, 2 window - 1, 2]. 0 where nothing tells.
std::int64_t infer_window(const Checkpoint& checkpoint, bool is_v2) {
  const std::string attention = "layers.0.blocks.";
  if (!is_v2) return (exact_root(dimension(checkpoint, attention + kTable, 2, 0)) + 1) / 2;
  const Shape* coordinates = checkpoint.buffer(attention + "0.attn.relative_coords_table");
  if (coordinates == nullptr || coordinates->size() != 4 || (*coordinates)[1] != (*coordinates)[2]) return 0;
  return ((*coordinates)[1] + 1) / 2;
}

}  // namespace

bool is_swin(const Checkpoint& checkpoint) {
  const std::string blocks = "layers.0.blocks.";
  return checkpoint.contains(blocks + kTable) || checkpoint.contains(blocks + kLogitScale);
}

void infer_swin(const Checkpoint& checkpoint, ModelConfig& config) {
  SwinConfig body;
  const bool is_v2 = checkpoint.contains(std::string("layers.0.blocks.") + kLogitScale);
  for (std::size_t s = 0;; ++s) {
    const std::string blocks = "layers." + std::to_string(s) + ".blocks.";
    const std::int64_t depth = count_blocks(checkpoint, blocks);
    if (depth == 0) break;
    body.stages.push_back({.depth = depth,
                           .dim = dimension(checkpoint, blocks + "0.attn.proj.weight", 2, 0),
                           .heads = is_v2 ? dimension(checkpoint, blocks + kLogitScale, 3, 0)
                                          : dimension(checkpoint, blocks + kTable, 2, 1),
                           .hidden = dimension(checkpoint, blocks + "0.mlp.fc1.weight", 2, 0),
                           .cosine = is_v2,
                           .norms_behind = is_v2});
  }
  check(!body.stages.empty(), ErrorCode::kFormat, checkpoint.source(),
        ": no tensor layers.0.blocks.0.attn.proj.weight");
  body.window = infer_window(checkpoint, is_v2);
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
    check(grid % body.window_of(grid) == 0, "model: a grid of ", grid, " tokens is not a multiple of the window ",
          body.window_of(grid), "; is the image size ", to_string(config.image_size), " right?");
    check(&stage == &body.stages.back() || grid % 2 == 0, "model: a grid of ", grid, " tokens cannot be merged 2x2");
    grid /= 2;
  }
  check(body.trained_windows.empty() || (body.is_v2() && body.trained_windows.size() == body.stages.size()),
        "model: ", body.trained_windows.size(), " trained windows, expected none",
        body.is_v2() ? ", or one for each of " : "",
        body.is_v2() ? std::to_string(body.stages.size()) + " stages" : "");
  for (const std::int64_t window : body.trained_windows) {
    if (window != 0) check_extent(window, "trained window");
    check(window != 1, "model: a trained window is 1, expected 0 (none) or at least 2");
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
      add_norm(tensors, layer + ".downsample.norm", body.is_v2() ? stage.dim : merged);
      tensors.push_back({layer + ".downsample.reduction.weight", {stage.dim, merged}});
    }
    for (std::int64_t j = 0; j < stage.depth; ++j) {
      const std::string block = layer + ".blocks." + std::to_string(j);
      add_block(tensors, block, stage, body.is_v2() ? 0 : body.window);
      if (!body.is_v2()) continue;
      add_linear(tensors, block + ".attn.cpb_mlp.0", kBiasMlpWidth, 2);
      tensors.push_back({block + ".attn.cpb_mlp.2.weight", {stage.heads, kBiasMlpWidth}});
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
    const std::int64_t window = body.window_of(grid);
    total += stage_macs(stage, grid * grid, window * window);
  }
  return total;
}

}  // namespace vitq
