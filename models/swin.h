#pragma once
// Swin Transformer (arXiv 2103.14030), as timm and the official code run it: windowed attention with relative position
// bias, every second block shifted, 2x2 patch merging between stages.

#include <cstdint>
#include <optional>
#include <vector>

#include "models/attention.h"
#include "models/model.h"

namespace vitq {

class Swin final : public Model {
 public:
  Swin(MatmulContext& context, const ModelConfig& config, const Checkpoint& checkpoint);
  void forward(std::span<const float> images, std::int64_t batch, std::span<float> logits) override;

 private:
  struct Block {
    std::string name;
    bool shifted;
    Norm norm1;
    Attention attention;
    std::vector<float> bias;  ///< [heads, window^2, padded window^2]
    Norm norm2;
    Mlp mlp;
  };
  struct Merging {
    Norm norm;
    Layer reduction;
  };
  struct Level {
    std::int64_t grid = 0;           ///< tokens per side
    std::optional<Merging> merging;  ///< in front of every stage but the first
    std::vector<Block> blocks;
    std::vector<float> mask;           ///< [windows, window^2, padded window^2], empty where nothing is shifted
    std::vector<std::int32_t> plain;   ///< token of each row in window order, for the planned batch
    std::vector<std::int32_t> rolled;  ///< the same with the shift
  };
  struct Buffers {
    Buffer patches;  ///< [batch * patches, channels * patch^2], of all pictures
    Buffer tokens;   ///< [batch * grid^2, dim], the residual stream
    Buffer normed;   ///< [batch * grid^2, dim], in window order before attention
    Buffer merged;   ///< [batch * grid^2 / 4, 4 dim], 2x2 neighbours side by side; the pooled tokens
    Buffer hidden;   ///< [batch * grid^2, hidden]
    Buffer codes;    ///< patches, or pooled tokens, of a quantized layer
    AttentionBuffers attention;
  };

  void plan(std::int64_t batch);
  void embed(std::span<const float> images, std::int64_t batch, const Tensor& tokens);
  void attend(Level& layer, Block& block, std::int64_t batch, const Tensor& tokens);
  Tensor merge(Level& layer, std::int64_t batch, const Tensor& tokens);
  void classify(const Tensor& normed, std::int64_t batch, std::span<float> logits);

  Layer patch_embed_;
  Norm patch_norm_;
  std::vector<Level> levels_;
  Norm norm_;
  Layer head_;
  Buffers buffers_;
  std::int64_t planned_ = 0;  // batch the buffers and row orders were made for
};

}  // namespace vitq
