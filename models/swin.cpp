#include "models/swin.h"

#include <algorithm>
#include <array>

#include "engine/threads.h"
#include "models/patches.h"
#include "models/windows.h"

namespace vitq {

namespace {

constexpr auto kBytes = static_cast<std::int64_t>(sizeof(float));

// The window order of one picture, repeated for each picture of a batch.
std::vector<std::int32_t> repeated(const std::vector<std::int32_t>& order, std::int64_t batch) {
  std::vector<std::int32_t> rows;
  rows.reserve(order.size() * batch);
  for (std::int64_t b = 0; b < batch; ++b) {
    for (const std::int32_t token : order) rows.push_back(static_cast<std::int32_t>(b * std::ssize(order)) + token);
  }
  return rows;
}

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

}  // namespace

Swin::Swin(MatmulContext& context, const ModelConfig& config, const Checkpoint& checkpoint)
    : Model(config, context.clock()),
      patch_embed_(context, checkpoint, "patch_embed.proj", config.stages.front().dim, config.patch_values()),
      patch_norm_(checkpoint, "patch_embed.norm", config.eps),
      norm_(checkpoint, "norm", config.eps),
      head_(context, checkpoint, "head.fc", config.classes, config.stages.back().dim) {
  for (std::size_t s = 0; s < config.stages.size(); ++s) {
    const Stage& stage = config.stages[s];
    const std::string scope = "layers." + std::to_string(s);
    Level layer;
    layer.grid = config.grid() >> s;
    if (s > 0) {
      const std::int64_t merged = 4 * config.stages[s - 1].dim;
      layer.merging.emplace(
          Merging{.norm = {checkpoint, scope + ".downsample.norm", config.eps},
                  .reduction = {context, checkpoint, scope + ".downsample.reduction", stage.dim, merged}});
    }
    const bool has_windows = layer.grid > config.window;  // one window fills the grid: nothing to shift
    for (std::int64_t j = 0; j < stage.depth; ++j) {
      const std::string name = scope + ".blocks." + std::to_string(j);
      layer.blocks.push_back({.name = name,
                              .shifted = has_windows && j % 2 == 1,
                              .norm1 = {checkpoint, name + ".norm1", config.eps},
                              .attention = {context, checkpoint, name + ".attn", stage},
                              .bias = relative_bias(checkpoint.f32(name + ".attn.relative_position_bias_table"),
                                                    config.window, stage.heads),
                              .norm2 = {checkpoint, name + ".norm2", config.eps},
                              .mlp = {context, checkpoint, name + ".mlp", stage}});
    }
    if (has_windows) layer.mask = shift_mask(layer.grid, config.window, config.window / 2);
    levels_.push_back(std::move(layer));
  }
}

void Swin::plan(std::int64_t batch) {
  if (batch == planned_) return;
  reserve(buffers_.patches, batch * config().grid() * config().grid() * config().patch_values() * kBytes);
  for (std::size_t s = 0; s < levels_.size(); ++s) {
    Level& layer = levels_[s];
    const Stage& stage = config().stages[s];
    const std::int64_t tokens = layer.grid * layer.grid;
    reserve(buffers_.tokens, batch * tokens * stage.dim * kBytes);
    reserve(buffers_.normed, batch * tokens * stage.dim * kBytes);
    reserve(buffers_.merged, batch * tokens * stage.dim * kBytes);
    layer.plain = repeated(window_order(layer.grid, config().window, 0), batch);
    layer.rolled = repeated(window_order(layer.grid, config().window, config().window / 2), batch);
  }
  planned_ = batch;
}

void Swin::forward(std::span<const float> images, std::int64_t batch, std::span<float> logits) {
  plan(batch);
  const std::int64_t first_tokens = batch * config().grid() * config().grid();
  Tensor tokens(buffers_.tokens.data(), {first_tokens, config().stages.front().dim});
  embed(images, batch, tokens);
  clock().lap(Step::kPatch);
  for (Level& layer : levels_) {
    if (layer.merging) tokens = merge(layer, batch, tokens);
    for (Block& block : layer.blocks) {
      attend(layer, block, batch, tokens);
      const Tensor normed = normalised(block.norm2, tokens, block.mlp.fc1(), buffers_.normed, calibrator());
      clock().lap(Step::kNorm);
      block.mlp.run(normed, buffers_.hidden, tokens, calibrator());
      show(block.name, tokens);
    }
  }
  const Tensor normed(buffers_.normed.data(), {tokens.rows(), tokens.columns()});
  norm_.run(tokens, normed);
  clock().lap(Step::kNorm);
  show("norm", normed);
  classify(normed, batch, logits);
  clock().lap(Step::kHead);
}

void Swin::embed(std::span<const float> images, std::int64_t batch, const Tensor& tokens) {
  const std::int64_t patches = config().grid() * config().grid();
  const Encoding& means = calibrator() == nullptr ? patch_embed_.linear.source() : kFloat;  // a calibrator sees f32
  const Tensor cut(buffers_.patches.data(), {batch * patches, config().patch_values()}, means);
  cut_patches(images, config().image_size, config().patch, cut);
  patch_embed_.linear.run(encoded(cut, patch_embed_, buffers_.codes, calibrator()), tokens);
  patch_norm_.run(tokens, tokens);
}

void Swin::attend(Level& layer, Block& block, std::int64_t batch, const Tensor& tokens) {
  const std::int64_t area = config().window * config().window;
  const std::int64_t windows = layer.grid * layer.grid / area;
  const auto& order = block.shifted ? layer.rolled : layer.plain;
  const Tensor normed = normalised(block.norm1, tokens, block.attention.qkv(), buffers_.normed, calibrator(), order);
  clock().lap(Step::kNorm);
  block.attention.run(normed, tokens, Epilogue::kAccumulate,
                      {.groups = batch * windows,
                       .per_picture = windows,
                       .tokens = area,
                       .bias = block.bias,
                       .mask = block.shifted ? std::span<const float>(layer.mask) : std::span<const float>(),
                       .to = order},
                      buffers_.attention, calibrator());
}

Tensor Swin::merge(Level& layer, std::int64_t batch, const Tensor& tokens) {
  Merging& merging = *layer.merging;
  const std::int64_t rows = batch * layer.grid * layer.grid;
  const Tensor neighbours(buffers_.merged.data(), {rows, 4 * tokens.columns()});
  const Tensor merged(buffers_.tokens.data(), {rows, merging.reduction.linear.outputs()});
  gather_neighbours(tokens, 2 * layer.grid, neighbours);
  const Tensor normed = normalised(merging.norm, neighbours, merging.reduction, buffers_.normed, calibrator());
  clock().lap(Step::kNorm);
  merging.reduction.linear.run(normed, merged);  // over the old tokens, which are no longer needed
  clock().lap(Step::kReduction);
  return merged;
}

void Swin::classify(const Tensor& normed, std::int64_t batch, std::span<float> logits) {
  const std::int64_t dim = normed.columns();
  const std::int64_t tokens = normed.rows() / batch;
  const Tensor pooled(buffers_.merged.data(), {batch, dim});
  for (std::int64_t b = 0; b < batch; ++b) {
    float* mean = pooled.row(b);
    std::fill_n(mean, dim, 0.0F);
    for (std::int64_t t = 0; t < tokens; ++t) {
      const float* row = normed.row(b * tokens + t);
      for (std::int64_t c = 0; c < dim; ++c) mean[c] += row[c];
    }
    for (std::int64_t c = 0; c < dim; ++c) mean[c] /= static_cast<float>(tokens);
  }
  head_.linear.run(encoded(pooled, head_, buffers_.codes, calibrator()),
                   Tensor(logits.data(), {batch, config().classes}));
}

}  // namespace vitq
