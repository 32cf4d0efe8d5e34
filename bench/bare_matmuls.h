#pragma once
// The matrix products of one forward pass and nothing else: what a model would cost if LayerNorm, softmax, GELU and the
// residual connections were free. The yardstick for the forward pass's overhead.

#include <cstdint>
#include <vector>

#include "engine/gemm/gemm.h"
#include "engine/layers/linear.h"
#include "models/config.h"

namespace vitq::bench {

/// All products of a ViT (one stage), batch 1, f32, each layer with weights of its own as in the real model; q, k and v
/// dense per head, which is the layout oneDNN likes best.
class BareMatmuls {
 public:
  explicit BareMatmuls(const ModelConfig& config);
  void run();

 private:
  struct Block {
    Linear qkv, proj, fc1, fc2;
  };
  Linear make(std::int64_t outputs, std::int64_t inputs);

  Gemm gemm_;
  ModelConfig config_;
  std::int64_t tokens_;
  std::vector<float> weights_;  // random, shared as the source of all layers
  Linear patch_embed_;
  std::vector<Block> blocks_;
  Linear head_;
  Buffer src_, dst_, scores_;
};

}  // namespace vitq::bench
