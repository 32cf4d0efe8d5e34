#pragma once
// The two halves of a transformer block that ViT and Swin share: multi-head self-attention over groups of tokens, and
// the MLP. A group is a whole picture (ViT) or one window (Swin).

#include <cstdint>
#include <string>
#include <vector>

#include "engine/gemm/matmul.h"
#include "engine/tensor.h"
#include "models/config.h"
#include "models/layers.h"
#include "weights/artifact.h"
#include "weights/checkpoint.h"

namespace vitq {

/// What one thread works in: the scores of some heads at a time and what becomes of them. They grow on first use.
struct LaneBuffers {
  Buffer scores;    ///< f32 or s32 [heads, rows, padded tokens]
  Buffer levels;    ///< u8 or bf16 [heads, rows, padded tokens]
  Buffer row_sums;  ///< s32 [heads, rows]
  Buffer mixed;     ///< the product with v: s32, f32 or bf16 [heads, rows, head_dim]
};

/// Buffers of one attention call, shared by all blocks of a model; they grow on first use.
struct AttentionBuffers {
  Buffer qkv;      ///< f32 [groups * tokens, 3 dim], where not split at once
  Buffer q, k, v;  ///< s8, bf16 or f32 [groups, heads, tokens, padded in k and v, head_dim]
  std::vector<LaneBuffers> lanes;
  Buffer mixed;    ///< [groups * tokens, dim], in the encoding of proj, or f32
  Buffer encoded;  ///< [groups * tokens, dim], where proj takes another encoding than attention writes
};

/// How stored codes run on this CPU: k and v may have 8 bits in the file and only 7 here (engine/gemm/matmul.h,
/// second_operand_bits); the range stays, the step grows.
AttentionCodes attention_codes(const QuantizedAttention& stored);

class Attention {
 public:
  Attention(MatmulContext& context, const Checkpoint& checkpoint, const std::string& name, const Stage& stage);

  /// dst = epilogue(proj(softmax(q k^T / sqrt(head_dim) + bias + mask) v)); src: [groups * tokens, dim] in the encoding
  /// of qkv(); dst: f32 [groups * tokens, dim], its rows where shape.to puts them.
  void run(const Tensor& src, const Tensor& dst, Epilogue epilogue, const AttentionShape& shape,
           AttentionBuffers& buffers, Calibrator* calibrator);

  /// The layer that takes the input.
  [[nodiscard]] Layer& qkv() { return qkv_; }

 private:
  [[nodiscard]] float score_scale() const;
  template <class Use>
  void in_lanes(const AttentionShape& shape, AttentionBuffers& buffers, Use&& use) const;
  void mix_floats(const Tensor& src, const Tensor& dst, const AttentionShape& shape, AttentionBuffers& buffers) const;
  void mix_codes(const Tensor& src, const Tensor& dst, const AttentionShape& shape, AttentionBuffers& buffers) const;
  void split(const Tensor& src, const Tensor& q, const Tensor& k, const Tensor& v) const;

  MatmulContext* context_;
  std::string name_;
  std::int64_t heads_, head_dim_;
  Layer qkv_, proj_;
  AttentionCodes codes_;
};

class Mlp {
 public:
  Mlp(MatmulContext& context, const Checkpoint& checkpoint, const std::string& name, const Stage& stage);

  /// residual += fc2(gelu(fc1(src))); src: [rows, dim] in the encoding of fc1(); residual: f32 [rows, dim].
  void run(const Tensor& src, Buffer& hidden, const Tensor& residual, Calibrator* calibrator);

  /// The layer that takes the input.
  [[nodiscard]] Layer& fc1() { return fc1_; }

 private:
  MatmulContext* context_;
  Layer fc1_, fc2_;
  Buffer codes_;  // fc2's input, where fc1 runs in float and fc2 does not
};

}  // namespace vitq
