#pragma once
// ViT and DeiT, plain and distilled (arXiv 2010.11929, 2012.12877), and what else timm's VisionTransformer is
// (VitConfig).

#include <optional>
#include <vector>

#include "models/backbone.h"
#include "models/config.h"
#include "models/positions.h"
#include "models/read_layers.h"

namespace vitq {

class Vit final : public Backbone {
 public:
  Vit(const ModelConfig& config, const LayerReader& reader);

  [[nodiscard]] const Encoding& patch_source() const override { return patch_embed_.linear.source(); }
  void plan(std::int64_t batch, bool observed, BufferPlan& plan) const override;
  [[nodiscard]] bool embed(Workspace& workspace, const Tensor& patches, std::int64_t batch,
                           Observer* observer) const override;
  [[nodiscard]] std::size_t steps() const override { return blocks_.size(); }
  [[nodiscard]] bool step(std::size_t index, Workspace& workspace, std::int64_t batch,
                          Observer* observer) const override;
  [[nodiscard]] StreamShape stream_after(std::size_t /*count*/) const override { return {tokens_, dim_}; }
  void visit_sites(const std::function<void(const SiteRef&)>& use) override;

 private:
  [[nodiscard]] AttentionShape shape_of(std::size_t block, std::int64_t batch) const;

  std::int64_t prefix_;  // class and distillation token, registers
  std::int64_t tokens_;  // per picture, with the prefix
  std::int64_t dim_;
  std::vector<float> position_;  // [tokens, dim], the prefix tokens added to their rows
  Layer patch_embed_;
  std::optional<Norm> pre_norm_;
  std::vector<Block> blocks_;
  std::vector<std::vector<float>> biases_;  // of each block; empty: none
  RotationTables rotation_;
};

}  // namespace vitq
