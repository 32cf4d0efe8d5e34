#pragma once
// One learned query looks at all tokens of a picture (SigLIP's head: Zhai et al., arXiv 2303.15343; Lee et al., arXiv
// 1810.00825). The query is a constant, so q k^T is the product of the tokens with one vector for each head, and v need
// only be computed of what the head has mixed: of the two products with as many rows as tokens nothing is left.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/layers/linear.h"
#include "engine/layers/mlp.h"
#include "engine/layers/norm.h"
#include "engine/layers/observer.h"
#include "engine/layers/workspace.h"

namespace vitq {

/// What a checkpoint holds of it; not owned.
struct QueryDescription {
  std::span<const float> latent;  ///< [dim]
  FloatLinear q;                  ///< [dim, dim]
  FloatLinear kv;                 ///< [2 dim, dim], k first
  std::int64_t heads = 0;
};

class AttentionPool {
 public:
  /// Throws Error where sizes do not fit.
  AttentionPool(const QueryDescription& query, Layer proj, Norm norm, Mlp mlp);

  /// tokens: of a picture.
  void plan(std::int64_t batch, std::int64_t tokens, BufferPlan& plan) const;

  /// dst = x + mlp(norm(x)) with x = proj(softmax(q k^T / sqrt(head_dim)) v). tokens: f32 [batch * n, dim], which stay;
  /// dst: f32 [batch, dim], dense. False: the observer has ended the pass.
  [[nodiscard]] bool run(Workspace& workspace, const Tensor& tokens, const Tensor& dst, Observer* observer) const;

  // For whoever replaces its layers.
  [[nodiscard]] Layer& proj() { return proj_; }
  [[nodiscard]] Norm& norm() { return norm_; }
  [[nodiscard]] Mlp& mlp() { return mlp_; }

 private:
  std::int64_t heads_;
  Linear scores_;               // [heads, dim]
  std::vector<Linear> values_;  // of each head, [head_dim, dim]
  Layer proj_;
  Norm norm_;
  Mlp mlp_;
};

}  // namespace vitq
