#include "models/vit.h"

#include <algorithm>

#include "models/patches.h"

namespace vitq {

namespace {

// pos_embed with the class and distillation tokens added to their rows: what the stream holds before any patch.
std::vector<float> read_position(const Checkpoint& checkpoint, bool distilled) {
  const auto embedding = checkpoint.f32("pos_embed");
  std::vector<float> position(embedding.begin(), embedding.end());
  auto row = position.begin();
  const auto add = [&](const std::string& name) {
    for (const float value : checkpoint.f32(name)) *row++ += value;
  };
  add("cls_token");
  if (distilled) add("dist_token");
  return position;
}

}  // namespace

Vit::Vit(MatmulContext& context, const ModelConfig& config, const Checkpoint& checkpoint)
    : Model(config, context.clock()),
      tokens_(config.grid() * config.grid() + config.prefix_tokens()),
      position_(read_position(checkpoint, config.distilled)),
      patch_embed_(context, checkpoint, "patch_embed.proj", config.stages.front().dim, config.patch_values()),
      norm_(checkpoint, "norm", config.eps),
      head_(context, checkpoint, "head", config.classes, config.stages.front().dim) {
  const Stage& stage = config.stages.front();
  for (std::int64_t i = 0; i < stage.depth; ++i) {
    const std::string name = "blocks." + std::to_string(i);
    blocks_.push_back({.name = name,
                       .norm1 = {checkpoint, name + ".norm1", config.eps},
                       .attention = {context, checkpoint, name + ".attn", stage},
                       .norm2 = {checkpoint, name + ".norm2", config.eps},
                       .mlp = {context, checkpoint, name + ".mlp", stage}});
  }
  if (config.distilled) {
    head_dist_.emplace_back(context, checkpoint, "head_dist", config.classes, stage.dim);
  }
}

void Vit::plan(std::int64_t batch) {
  constexpr auto kBytes = static_cast<std::int64_t>(sizeof(float));
  const std::int64_t rows = batch * tokens_;
  const std::int64_t dim = config().stages.front().dim;
  reserve(buffers_.patches, batch * config().grid() * config().grid() * config().patch_values() * kBytes);
  reserve(buffers_.tokens, rows * dim * kBytes);
  reserve(buffers_.normed, rows * dim * kBytes);
}

void Vit::forward(std::span<const float> images, std::int64_t batch, std::span<float> logits) {
  plan(batch);
  const std::int64_t dim = config().stages.front().dim;
  const Tensor tokens(buffers_.tokens.data(), {batch * tokens_, dim});
  const AttentionShape pictures{.groups = batch, .per_picture = 1, .tokens = tokens_, .bias = {}, .mask = {}, .to = {}};

  embed(images, batch, tokens);
  clock().lap(Step::kPatch);
  for (Block& block : blocks_) {
    Tensor normed = normalised(block.norm1, tokens, block.attention.qkv(), buffers_.normed, calibrator());
    clock().lap(Step::kNorm);
    block.attention.run(normed, tokens, Epilogue::kAccumulate, pictures, buffers_.attention, calibrator());
    normed = normalised(block.norm2, tokens, block.mlp.fc1(), buffers_.normed, calibrator());
    clock().lap(Step::kNorm);
    block.mlp.run(normed, buffers_.hidden, tokens, calibrator());
    show(block.name, tokens);
  }
  const Tensor normed(buffers_.normed.data(), {batch * tokens_, dim});
  norm_.run(tokens, normed);
  clock().lap(Step::kNorm);
  show("norm", normed);
  classify(normed, batch, logits);
  clock().lap(Step::kHead);
}

void Vit::embed(std::span<const float> images, std::int64_t batch, const Tensor& tokens) {
  const std::int64_t dim = tokens.columns();
  const std::int64_t patches = config().grid() * config().grid();
  const Encoding& means = calibrator() == nullptr ? patch_embed_.linear.source() : kFloat;  // a calibrator sees f32
  const Tensor cut(buffers_.patches.data(), {batch * patches, config().patch_values()}, means);
  cut_patches(images, config().image_size, config().patch, cut);
  const Tensor src = encoded(cut, patch_embed_, buffers_.codes, calibrator());
  for (std::int64_t b = 0; b < batch; ++b) {
    float* first = tokens.row(b * tokens_);
    std::ranges::copy(position_, first);
    patch_embed_.linear.run(rows_of(src, b * patches, patches),
                            Tensor(first + config().prefix_tokens() * dim, {patches, dim}), Epilogue::kAccumulate);
  }
}

void Vit::classify(const Tensor& normed, std::int64_t batch, std::span<float> logits) {
  const std::int64_t dim = normed.columns();
  const Tensor result(logits.data(), {batch, config().classes});
  // Dense, for oneDNN 2.6.3 takes rows that lie apart through its reference code: 50 ms for one picture (DeiT-S).
  const auto token = [&](std::int64_t i) {
    const Tensor dense(buffers_.hidden.data(), {batch, dim});  // free by now
    for (std::int64_t b = 0; b < batch; ++b) std::copy_n(normed.row(b * tokens_ + i), dim, dense.row(b));
    return dense;
  };
  head_.linear.run(encoded(token(0), head_, buffers_.codes, calibrator()), result);
  if (!config().distilled) return;
  Layer& second = head_dist_.front();
  second.linear.run(encoded(token(1), second, buffers_.codes, calibrator()), result, Epilogue::kAccumulate);
  for (float& logit : logits) logit *= 0.5F;  // the mean of both heads
}

}  // namespace vitq
