#pragma once
// ViT and DeiT, plain and distilled (arXiv 2010.11929, 2012.12877), and what else timm's VisionTransformer is
// (VitConfig).

#include <memory>
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
  [[nodiscard]] std::unique_ptr<Backbone> resized(const ModelConfig& config) const override;

 private:
  /// As a checkpoint has them.
  struct StoredPositions {
    std::vector<float> prefix;   // [prefix, dim], the tokens themselves added
    std::vector<float> patches;  // [patches of the grid they were trained for, dim]; empty: there are none
  };
  Vit(const Vit&) = default;
  static StoredPositions read_positions(const Checkpoint& checkpoint, const ModelConfig& model);
  void place(const ModelConfig& config);
  [[nodiscard]] AttentionShape shape_of(std::size_t block, std::int64_t batch) const;

  std::int64_t prefix_;  // class and distillation token, registers
  std::int64_t dim_;
  Layer patch_embed_;
  std::optional<Norm> pre_norm_;
  std::vector<Block> blocks_;
  std::vector<std::vector<float>> biases_;  // of each block; empty: none
  std::shared_ptr<const StoredPositions> stored_;

  // What depends on the picture's size: place().
  std::int64_t tokens_ = 0;      // per picture, with the prefix
  std::vector<float> position_;  // [tokens, dim]
  RotationTables rotation_;
};

}  // namespace vitq
