#pragma once
// ViT and DeiT, plain and distilled (arXiv 2010.11929, 2012.12877), pre-norm, as timm runs them.

#include <vector>

#include "models/attention.h"
#include "models/model.h"

namespace vitq {

class Vit final : public Model {
 public:
  Vit(MatmulContext& context, const ModelConfig& config, const Checkpoint& checkpoint);
  void forward(std::span<const float> images, std::int64_t batch, std::span<float> logits) override;

 private:
  struct Block {
    std::string name;
    Norm norm1;
    Attention attention;
    Norm norm2;
    Mlp mlp;
  };
  struct Buffers {
    Buffer patches;  ///< [batch * patches, channels * patch^2], of all pictures
    Buffer tokens;   ///< [batch * tokens, dim], the residual stream
    Buffer normed;   ///< [batch * tokens, dim]
    Buffer hidden;   ///< [batch * tokens, hidden], at the end the class tokens
    Buffer codes;    ///< patches, or class tokens, of a quantized layer
    AttentionBuffers attention;
  };

  void plan(std::int64_t batch);
  void embed(std::span<const float> images, std::int64_t batch, const Tensor& tokens);
  void classify(const Tensor& normed, std::int64_t batch, std::span<float> logits);

  std::int64_t tokens_;          // per picture, class token included
  std::vector<float> position_;  // [tokens, dim], the class (and distillation) token added to its row
  Layer patch_embed_;
  std::vector<Block> blocks_;
  Norm norm_;
  Layer head_;
  std::vector<Layer> head_dist_;  // one if distilled, none otherwise
  Buffers buffers_;
};

}  // namespace vitq
