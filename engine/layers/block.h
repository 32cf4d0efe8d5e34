#pragma once
// The transformer block that ViT and Swin share (arXiv 2010.11929, 2103.14030), its norms in front of its two branches;
// or behind them, as Swin V2 has them (arXiv 2111.09883).

#include <string>

#include "engine/layers/attention.h"
#include "engine/layers/mlp.h"
#include "engine/layers/norm.h"

namespace vitq {

struct Block {
  std::string name;
  Norm norm1;
  Attention attention;
  Norm norm2;
  Mlp mlp;
  bool norms_behind = false;

  void plan(const AttentionShape& shape, bool observed, BufferPlan& plan) const;

  /// tokens += attention(norm1(tokens)), then tokens += mlp(norm2(tokens)); with the norms behind, tokens +=
  /// norm1(attention(tokens)), then tokens += norm2(mlp(tokens)). tokens: f32 [groups tokens, dim], in the
  /// order of the stream. False: the observer has ended the pass.
  [[nodiscard]] bool run(Workspace& workspace, const Tensor& tokens, const AttentionShape& shape,
                         Observer* observer) const;

 private:
  [[nodiscard]] bool run_norms_first(Workspace& workspace, const Tensor& tokens, const AttentionShape& shape,
                                     Observer* observer) const;
  [[nodiscard]] bool run_norms_last(Workspace& workspace, const Tensor& tokens, const AttentionShape& shape,
                                    Observer* observer) const;
};

}  // namespace vitq
