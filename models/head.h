#pragma once
// What becomes of the tokens of a pass: one embedding per picture, and its logits.

#include <cstdint>
#include <functional>
#include <optional>

#include "engine/layers/attention_pool.h"
#include "engine/layers/linear.h"
#include "engine/layers/norm.h"
#include "engine/layers/pool.h"
#include "engine/layers/workspace.h"
#include "models/backbone.h"
#include "models/config.h"
#include "models/read_layers.h"

namespace vitq {

class Head {
 public:
  Head(const ModelConfig& config, const LayerReader& reader);

  void plan(std::int64_t batch, const ModelConfig& config, BufferPlan& plan) const;

  /// The embedding [batch, embedding_size] of tokens [batch * n, dim], both f32: what a classifier takes (timm's
  /// forward_head(pre_logits=True)), or what a projection makes of it (CLIP). False, here and below: the observer has
  /// ended the pass.
  [[nodiscard]] bool embed(Workspace& workspace, const Tensor& tokens, const Tensor& dst,
                           Observer* observer = nullptr) const;

  /// Whether there are classes.
  [[nodiscard]] bool classifies() const { return classifier_.has_value(); }

  /// The logits [batch, classes], where it classifies().
  [[nodiscard]] bool classify(Workspace& workspace, const Tensor& tokens, const Tensor& logits,
                              Observer* observer = nullptr) const;

  void visit_sites(const std::function<void(const SiteRef&)>& use);

 private:
  [[nodiscard]] bool pool_tokens(Workspace& workspace, const Tensor& tokens, const Tensor& dst,
                                 Observer* observer) const;
  [[nodiscard]] bool run(const Layer& layer, Workspace& workspace, const Tensor& pooled, const Tensor& logits,
                         Epilogue epilogue, Observer* observer) const;

  Pool pool_;
  std::int64_t skipped_, pooled_size_;
  std::optional<AttentionPool> attention_;
  std::optional<Norm> norm_;
  std::optional<Layer> projection_;
  std::optional<Layer> classifier_;
  std::optional<Layer> second_;  // of the distillation token
};

}  // namespace vitq
