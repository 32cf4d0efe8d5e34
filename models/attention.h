#pragma once
// The two halves of a transformer block that ViT and Swin share: multi-head self-attention over groups of tokens, and
// the MLP. A group is a whole picture (ViT) or one window (Swin).

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/matmul.h"
#include "engine/tensor.h"
#include "models/config.h"
#include "weights/checkpoint.h"

namespace vitq {

/// Reads `name`.weight [outputs, inputs] (any shape of that many elements) and `name`.bias, if the checkpoint has one.
Linear read_linear(MatmulContext& context, const Checkpoint& checkpoint, const std::string& name, std::int64_t outputs,
                   std::int64_t inputs);

/// Scale and shift of a LayerNorm, copied from the checkpoint.
struct NormParameters {
  NormParameters(const Checkpoint& checkpoint, const std::string& name, float epsilon);
  /// layer_norm (engine/layer_norm.h) with these parameters.
  void run(const Tensor& src, const Tensor& dst, std::span<const std::int32_t> from = {}) const;

  std::vector<float> gamma;
  std::vector<float> beta;
  float eps;
};

/// Buffers of one attention call, shared by all blocks of a model.
struct AttentionBuffers {
  Buffer qkv;      ///< [groups * tokens, 3 dim]
  Buffer scores;   ///< [groups per call, heads, tokens, tokens], rows padded
  Buffer context;  ///< [groups * tokens, dim]

  /// Grows to hold `groups` groups of `tokens` tokens of `stage`, of which `per_call` are multiplied in one call.
  void reserve(const Stage& stage, std::int64_t groups, std::int64_t per_call, std::int64_t tokens);
};

/// What is attended to: `groups` groups of `tokens` rows each, `per_call` groups to one batched product, with Swin's
/// additions to the scores (engine/softmax.h) where there are any.
struct AttentionShape {
  std::int64_t groups = 0;
  std::int64_t per_call = 0;
  std::int64_t tokens = 0;
  std::span<const float> bias;
  std::span<const float> mask;
};

class Attention {
 public:
  Attention(MatmulContext& context, const Checkpoint& checkpoint, const std::string& name, const Stage& stage);

  /// dst = epilogue(proj(softmax(q k^T / sqrt(head_dim) + bias + mask) v)); src, dst: [groups * tokens, dim].
  void run(const Tensor& src, const Tensor& dst, Epilogue epilogue, const AttentionShape& shape,
           AttentionBuffers& buffers) const;

 private:
  MatmulContext* context_;
  std::int64_t heads_, head_dim_;
  Linear qkv_, proj_;
};

class Mlp {
 public:
  Mlp(MatmulContext& context, const Checkpoint& checkpoint, const std::string& name, const Stage& stage);

  /// residual += fc2(gelu(fc1(src))); src, residual: [rows, dim]; hidden: room for [rows, hidden].
  void run(const Tensor& src, const Buffer& hidden, const Tensor& residual) const;

 private:
  Linear fc1_, fc2_;
};

/// Makes `buffer` at least `size` bytes; what it held is lost when it grows.
void reserve(Buffer& buffer, std::int64_t size);

}  // namespace vitq
