#include "bench/bare_matmuls.h"

#include <algorithm>

#include "engine/kernels/softmax.h"
#include "weights/seeded.h"

namespace vitq::bench {

namespace {

Buffer random_buffer(std::int64_t floats) {
  Buffer buffer(floats * sizeof(float));
  fill_seeded_input(0, {reinterpret_cast<float*>(buffer.data()), static_cast<std::size_t>(floats)});
  return buffer;
}

std::vector<float> random_weights(std::int64_t count) {
  std::vector<float> weights(count);
  fill_seeded("weight", {count / 64, 64}, 0, weights);
  return weights;
}

}  // namespace

BareMatmuls::BareMatmuls(const ModelConfig& config)
    : config_(config),
      tokens_(config.grid().count() + config.prefix_tokens()),
      weights_(random_weights(
          std::max({config.stages()[0].hidden, 3 * config.stages()[0].dim, config.classes, config.patch_values()}) *
          config.stages()[0].dim)),
      patch_embed_(make(config.stages()[0].dim, config.patch_values())),
      head_(make(config.classes, config.stages()[0].dim)) {
  const Stage& stage = config.stages()[0];
  for (std::int64_t i = 0; i < stage.depth; ++i) {
    blocks_.push_back({make(3 * stage.dim, stage.dim), make(stage.dim, stage.dim), make(stage.hidden, stage.dim),
                       make(stage.dim, stage.hidden)});
  }
  const std::int64_t widest = std::max({stage.hidden, 3 * stage.dim, config.patch_values(), config.classes});
  src_ = random_buffer(tokens_ * widest);
  dst_ = random_buffer(tokens_ * widest);
  scores_ = random_buffer(stage.heads * tokens_ * padded_columns(tokens_));
}

Linear BareMatmuls::make(std::int64_t outputs, std::int64_t inputs) {
  return Linear(
      FloatLinear{std::span(weights_).first(outputs * inputs), std::span(weights_).first(outputs), outputs, inputs});
}

void BareMatmuls::run() {
  const Stage& stage = config_.stages()[0];
  const auto apply = [&](const Linear& linear, std::int64_t rows) {
    linear.run(gemm_, Tensor(src_.data(), {rows, linear.inputs()}), Tensor(dst_.data(), {rows, linear.outputs()}));
  };
  const std::int64_t stride = padded_columns(tokens_);
  const Tensor q(src_.data(), {1, stage.heads, tokens_, stage.head_dim()});
  const Tensor k_transposed(src_.data(), {1, stage.heads, stage.head_dim(), tokens_},
                            {tokens_ * stage.dim, tokens_ * stage.head_dim(), 1, stage.head_dim()});
  const Tensor scores(scores_.data(), {1, stage.heads, tokens_, tokens_},
                      {stage.heads * tokens_ * stride, tokens_ * stride, stride, 1});
  const Tensor mixed(dst_.data(), {1, stage.heads, tokens_, stage.head_dim()});
  apply(patch_embed_, config_.grid().count());
  for (const Block& block : blocks_) {
    apply(block.qkv, tokens_);
    gemm_.multiply(q, k_transposed, scores);
    gemm_.multiply(scores, q, mixed);
    apply(block.proj, tokens_);
    apply(block.fc1, tokens_);
    apply(block.fc2, tokens_);
  }
  apply(head_, 1);
}

}  // namespace vitq::bench
