#include "models/swin.h"

#include <algorithm>
#include <array>

#include "engine/error.h"
#include "engine/layers/windows.h"
#include "engine/threads.h"
#include "models/positions.h"
#include "models/swin_config.h"

namespace vitq {

namespace {

// Row (y, x) of dst is the four neighbours (2y, 2x), (2y+1, 2x), (2y, 2x+1), (2y+1, 2x+1) of src, one after the other.
void gather_neighbours(const Tensor& src, std::int64_t grid, const Tensor& dst) {
  const std::int64_t dim = src.columns();
  const std::int64_t half = grid / 2;
  parallel_for(dst.rows(), 64, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t picture = i / (half * half);
      const std::int64_t y = i / half % half;
      const std::int64_t x = i % half;
      const std::int64_t first = (picture * grid + 2 * y) * grid + 2 * x;
      float* to = dst.row(i);
      for (const std::int64_t neighbour : std::array{first, first + grid, first + 1, first + grid + 1}) {
        to = std::copy_n(src.row(neighbour), dim, to);
      }
    }
  });
}

// The window order of one picture, repeated for each picture of a batch, in Slot::kOrder.
std::span<const std::int32_t> repeated(Workspace& workspace, const std::vector<std::int32_t>& order,
                                       std::int64_t batch) {
  const std::int64_t count = std::ssize(order);
  std::int32_t* rows = workspace.tensor(Slot::kOrder, {batch * count, 1}, {.dtype = DType::kS32}).s32();
  for (std::int64_t b = 0; b < batch; ++b) {
    const auto first = static_cast<std::int32_t>(b * count);
    std::ranges::transform(order, rows + first, [first](std::int32_t token) { return first + token; });
  }
  return {rows, static_cast<std::size_t>(batch * count)};
}

std::vector<float> read_bias(const Checkpoint& checkpoint, const std::string& block, std::int64_t window,
                             std::int64_t heads) {
  const std::string name = block + ".attn.relative_position_bias_table";
  const auto table = checkpoint.f32(name);
  const std::int64_t offsets = 2 * window - 1;
  check(std::ssize(table) == offsets * offsets * heads, checkpoint.source(), ": ", name, " has ", table.size(),
        " elements, expected [", offsets * offsets, ", ", heads, "]");
  return relative_bias(table, window, heads);
}

// The same of a Swin V2, whose table is computed here, once.
std::vector<float> make_bias(const LayerReader& reader, const std::string& block, std::int64_t window,
                             std::int64_t trained_window, std::int64_t heads) {
  const std::string mlp = block + ".attn.cpb_mlp.";
  const FloatLinear in = reader.floats(mlp + "0", kBiasMlpWidth, 2);
  const FloatLinear out = reader.floats(mlp + "2", heads, kBiasMlpWidth);
  const BiasMlp weights{.in = in.weight, .in_bias = in.bias, .out = out.weight};
  return relative_bias(continuous_bias(weights, window, trained_window, heads), window, heads);
}

}  // namespace

Swin::Swin(const ModelConfig& config, const LayerReader& reader)
    : Backbone(reader.norm("norm", config.swin().stages.back().dim)),
      patch_embed_(reader.linear("patch_embed.proj", config.swin().stages.front().dim, config.patch_values())),
      patch_norm_(reader.norm("patch_embed.norm", config.swin().stages.front().dim)) {
  const SwinConfig& body = config.swin();
  for (std::size_t s = 0; s < body.stages.size(); ++s) {
    const Stage& stage = body.stages[s];
    const std::string scope = "layers." + std::to_string(s);
    const std::int64_t grid = config.grid().rows >> s;
    const std::int64_t window = body.window_of(grid);
    const bool has_windows = grid > window;  // one window fills the grid: nothing to shift
    levels_.push_back({.grid = grid,
                       .dim = stage.dim,
                       .window = window,
                       .mask = has_windows ? shift_mask(grid, window, window / 2) : std::vector<float>(),
                       .plain = window_order(grid, window, 0),
                       .rolled = window_order(grid, window, window / 2)});
    if (s > 0) {
      const std::int64_t merged = 4 * body.stages[s - 1].dim;
      steps_.push_back({.is_merging = true, .index = mergings_.size()});
      mergings_.push_back({.level = s,
                           .norm = reader.norm(scope + ".downsample.norm", body.is_v2() ? stage.dim : merged),
                           .reduction = reader.linear(scope + ".downsample.reduction", stage.dim, merged),
                           .norm_behind = body.is_v2()});
    }
    const std::int64_t trained = body.trained_windows.empty() ? 0 : body.trained_windows[s];
    for (std::int64_t j = 0; j < stage.depth; ++j) {
      const std::string name = scope + ".blocks." + std::to_string(j);
      steps_.push_back({.is_merging = false, .index = blocks_.size()});
      blocks_.push_back({.level = s,
                         .shifted = has_windows && j % 2 == 1,
                         .block = reader.block(name, stage),
                         .bias = body.is_v2() ? make_bias(reader, name, window, trained, stage.heads)
                                              : read_bias(reader.checkpoint, name, window, stage.heads)});
    }
  }
}

void Swin::plan(std::int64_t batch, bool observed, BufferPlan& plan) const {
  const std::int64_t patches = levels_.front().grid * levels_.front().grid;
  plan.need(Slot::kEncoded, batch * patches * patch_embed_.linear.inputs());
  for (const Level& level : levels_) {
    const std::int64_t rows = batch * level.grid * level.grid;
    plan.need(Slot::kTokens, rows * level.dim);
    plan.need(Slot::kNormed, rows * level.dim);
    plan.need(Slot::kOrder, rows);
  }
  for (const Merging& merging : mergings_) {
    const Level& level = levels_[merging.level];
    const std::int64_t merged = batch * level.grid * level.grid * merging.reduction.linear.inputs();
    plan.need(Slot::kNeighbours, merged);
    plan.need(Slot::kEncoded, merged);
    plan.need(Slot::kRowScales, batch * level.grid * level.grid);
    plan.need(Slot::kNormed, merged);
  }
  for (const WindowBlock& block : blocks_) block.block.plan(windows_of(block, batch), observed, plan);
}

bool Swin::embed(Workspace& workspace, const Tensor& patches, std::int64_t batch, Observer* observer) const {
  const Level& level = levels_.front();
  const Tensor src = encoded(workspace, patches, patch_embed_.linear);
  if (observer != nullptr && !observer->input(patch_embed_.name, src)) return false;
  const Tensor tokens = workspace.tensor(Slot::kTokens, {batch * level.grid * level.grid, level.dim});
  patch_embed_.linear.run(workspace.gemm(), src, tokens);
  patch_norm_.run(tokens, tokens);
  workspace.clock().lap(Step::kPatch);
  return true;
}

bool Swin::step(std::size_t index, Workspace& workspace, std::int64_t batch, Observer* observer) const {
  const Part& part = steps_[index];
  if (part.is_merging) return merge(mergings_[part.index], workspace, batch, observer);
  const WindowBlock& block = blocks_[part.index];
  const Level& level = levels_[block.level];
  AttentionShape shape = windows_of(block, batch);
  shape.order = repeated(workspace, block.shifted ? level.rolled : level.plain, batch);
  const Tensor tokens = workspace.tensor(Slot::kTokens, {batch * level.grid * level.grid, level.dim});
  return block.block.run(workspace, tokens, shape, observer);
}

AttentionShape Swin::windows_of(const WindowBlock& block, std::int64_t batch) const {
  const Level& level = levels_[block.level];
  const std::int64_t area = level.window * level.window;
  const std::int64_t windows = level.grid * level.grid / area;
  return {.groups = batch * windows,
          .per_picture = windows,
          .tokens = area,
          .bias = block.bias,
          .mask = block.shifted ? std::span<const float>(level.mask) : std::span<const float>()};
}

bool Swin::merge(const Merging& merging, Workspace& workspace, std::int64_t batch, Observer* observer) const {
  const Level& level = levels_[merging.level];
  const Level& before = levels_[merging.level - 1];
  const Linear& reduction = merging.reduction.linear;
  const std::int64_t rows = batch * level.grid * level.grid;
  const Tensor tokens = workspace.tensor(Slot::kTokens, {4 * rows, before.dim});
  const Tensor neighbours = workspace.tensor(Slot::kNeighbours, {rows, 4 * before.dim});
  gather_neighbours(tokens, before.grid, neighbours);
  const Tensor src = merging.norm_behind ? encoded(workspace, neighbours, reduction)
                                         : normalised(workspace, merging.norm, neighbours, reduction);
  workspace.clock().lap(Step::kNorm);
  if (observer != nullptr && !observer->input(merging.reduction.name, src)) return false;
  // Over the old tokens, which are no longer needed.
  const Tensor merged = workspace.tensor(Slot::kTokens, {rows, level.dim});
  reduction.run(workspace.gemm(), src, merged);
  workspace.clock().lap(Step::kReduction);
  if (merging.norm_behind) {
    merging.norm.run(merged, merged);
    workspace.clock().lap(Step::kNorm);
  }
  return true;
}

StreamShape Swin::stream_after(std::size_t count) const {
  if (count == 0) return {levels_.front().grid * levels_.front().grid, levels_.front().dim};
  const Part& last = steps_[count - 1];
  const Level& level = levels_[last.is_merging ? mergings_[last.index].level : blocks_[last.index].level];
  return {level.grid * level.grid, level.dim};
}

void Swin::visit_sites(const std::function<void(const SiteRef&)>& use) {
  use({.name = patch_embed_.name, .linear = &patch_embed_.linear});
  for (const Part& part : steps_) {
    if (part.is_merging) {
      Merging& merging = mergings_[part.index];
      Norm* const before = merging.norm_behind ? nullptr : &merging.norm;
      use({.name = merging.reduction.name, .linear = &merging.reduction.linear, .norm = before});
    } else {
      visit_block(blocks_[part.index].block, use);
    }
  }
}

}  // namespace vitq
