#pragma once
// Swin Transformer (arXiv 2103.14030) and Swin V2 (arXiv 2111.09883), as timm and the official code run them: windowed
// attention with relative position bias, every second block shifted, 2x2 patch merging between stages.

#include <cstdint>
#include <vector>

#include "models/backbone.h"
#include "models/config.h"
#include "models/read_layers.h"

namespace vitq {

class Swin final : public Backbone {
 public:
  Swin(const ModelConfig& config, const LayerReader& reader);

  [[nodiscard]] const Encoding& patch_source() const override { return patch_embed_.linear.source(); }
  void plan(std::int64_t batch, bool observed, BufferPlan& plan) const override;
  [[nodiscard]] bool embed(Workspace& workspace, const Tensor& patches, std::int64_t batch,
                           Observer* observer) const override;
  [[nodiscard]] std::size_t steps() const override { return steps_.size(); }
  [[nodiscard]] bool step(std::size_t index, Workspace& workspace, std::int64_t batch,
                          Observer* observer) const override;
  [[nodiscard]] StreamShape stream_after(std::size_t count) const override;
  void visit_sites(const std::function<void(const SiteRef&)>& use) override;

 private:
  // One stage's grid and what its windows share.
  struct Level {
    std::int64_t grid = 0;  // tokens per side
    std::int64_t dim = 0;
    std::int64_t window = 0;           // tokens per side
    std::vector<float> mask;           // [windows, window^2, padded window^2], empty where nothing is shifted
    std::vector<std::int32_t> plain;   // token of each row in window order
    std::vector<std::int32_t> rolled;  // the same with the shift
  };
  struct WindowBlock {
    std::size_t level = 0;
    bool shifted = false;
    Block block;
    std::vector<float> bias;  // [heads, window^2, padded window^2]
  };
  struct Merging {
    std::size_t level = 0;  // behind it
    Norm norm;              // of what the reduction takes, or of what it makes
    Layer reduction;
    bool norm_behind = false;
  };
  // A block, or the merging in front of a stage's first.
  struct Part {
    bool is_merging;
    std::size_t index;  // into mergings_ or blocks_
  };

  [[nodiscard]] AttentionShape windows_of(const WindowBlock& block, std::int64_t batch) const;
  [[nodiscard]] bool merge(const Merging& merging, Workspace& workspace, std::int64_t batch, Observer* observer) const;

  Layer patch_embed_;
  Norm patch_norm_;
  std::vector<Level> levels_;
  std::vector<WindowBlock> blocks_;
  std::vector<Merging> mergings_;
  std::vector<Part> steps_;
};

}  // namespace vitq
