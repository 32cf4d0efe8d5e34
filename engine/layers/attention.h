#pragma once
// Multi-head self-attention over groups of tokens (Vaswani et al., arXiv 1706.03762). A group is a whole picture (ViT)
// or one window (Swin). One path for every kind of operand, in tiles of some rows of scores: what a thread works in is
// bounded, however many tokens there are.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/kernels/rotate.h"
#include "engine/kernels/softmax_levels.h"
#include "engine/layers/description.h"
#include "engine/layers/linear.h"
#include "engine/layers/norm.h"
#include "engine/layers/observer.h"
#include "engine/layers/workspace.h"
#include "engine/tensor.h"

namespace vitq {

/// What is attended to: `groups` groups of `tokens` rows each, `per_picture` of them in one picture, with Swin's
/// additions to the scores (engine/kernels/softmax.h) where there are any: a bias for each head, and no mask or one for
/// each group of a picture.
struct AttentionShape {
  std::int64_t groups = 0;
  std::int64_t per_picture = 1;
  std::int64_t tokens = 0;
  std::span<const float> bias = {};
  std::span<const float> mask = {};
  Rotation rotation = {};                    ///< of q and k
  std::span<const std::int32_t> order = {};  ///< row of the stream for each row of the groups; empty: as they are
};

/// How the two products of attention run on integers on this CPU. k and v may have 8 bits in the file and only 7 here
/// (engine/gemm/onednn.h, second_operand_bits); the range stays, the step grows.
struct AttentionCodes {
  explicit AttentionCodes(const QuantizedAttention& stored);

  Encoding q, k, v;      ///< s8, symmetric
  SoftmaxLevels levels;  ///< of the softmax between them
};

/// Norms within an attention, each where there is one. With lengths, scores are cosines: those of two heads of length l
/// are l^2 / sqrt(head_dim) of one, so a factor f of cosines is a length of sqrt(f sqrt(head_dim)). Half of it on
/// either side leaves heads with small factors more of the codes that all heads share.
struct AttentionNorms {
  std::optional<Norm> q = std::nullopt;       ///< of each head of q: [head_dim]
  std::optional<Norm> k = std::nullopt;       ///< and of k
  std::optional<Norm> joined = std::nullopt;  ///< of what proj takes: [dim]
  std::vector<float> lengths = {};            ///< that q and k of each head are brought to, before norms: [heads]
};

class Attention {
 public:
  /// heads must divide the width. Without `codes` the products are of floats, in bf16 where qkv's weights are, else
  /// f32.
  Attention(std::string name, std::int64_t heads, Layer qkv, Layer proj,
            const std::optional<QuantizedAttention>& codes = std::nullopt, AttentionNorms norms = {});

  /// What run() needs. observed: with an observer.
  void plan(const AttentionShape& shape, bool observed, BufferPlan& plan) const;

  /// dst = epilogue(proj(norm(softmax(q k^T / sqrt(head_dim) + bias + mask) v))), q and k normed and rotated; src:
  /// [groups tokens, dim] in the encoding of qkv(), in the order of the groups; dst: f32 [groups tokens, dim] in that
  /// of the stream. Throws Error for more tokens than 32-bit sums can take (65,536 on integers). False: the observer
  /// has ended the pass.
  [[nodiscard]] bool run(Workspace& workspace, const Tensor& src, const Tensor& dst, Epilogue epilogue,
                         const AttentionShape& shape, Observer* observer) const;

  [[nodiscard]] const std::string& name() const { return name_; }
  /// The layer that takes the input, and the one that makes the output.
  [[nodiscard]] Layer& qkv() { return qkv_; }
  [[nodiscard]] const Layer& qkv() const { return qkv_; }
  [[nodiscard]] Layer& proj() { return proj_; }
  /// In front of it, where there is one.
  [[nodiscard]] Norm* norm() { return norms_.joined ? &*norms_.joined : nullptr; }
  /// From here on the products run on integers.
  void set_codes(const QuantizedAttention& stored) { codes_.emplace(stored); }

 private:
  struct Form;
  [[nodiscard]] Form form_of(const Gemm& gemm, std::int64_t tokens) const;
  [[nodiscard]] bool changes(const AttentionShape& shape) const;
  void change(const Tensor& qkv, std::int64_t first_row, const AttentionShape& shape) const;
  [[nodiscard]] bool split(Workspace& workspace, const Tensor& src, const AttentionShape& shape, const Tensor& q,
                           const Tensor& k, const Tensor& v, Observer* observer) const;
  void mix(Workspace& workspace, const Form& form, const Tensor& q, const Tensor& k, const Tensor& v, const Tensor& dst,
           const AttentionShape& shape) const;

  std::string name_;
  std::int64_t heads_, head_dim_;
  Layer qkv_, proj_;
  std::optional<AttentionCodes> codes_;
  AttentionNorms norms_;
};

}  // namespace vitq
