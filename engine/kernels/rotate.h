#pragma once
// Rotary position embedding of q and k (Su et al., arXiv 2104.09864), for tokens that stand in a grid.

#include <cstdint>
#include <span>

#include "engine/tensor.h"

namespace vitq {

/// What is done to a head x [head_dim] of each token: x[c] <- x[c] cosine[c] + x[partner of c] sine[c], where the sine
/// has the sign of its side. Nothing at all where the tables are empty.
struct Rotation {
  std::span<const float> cosine = {};  ///< [tokens - prefix, head_dim], here and below
  std::span<const float> sine = {};
  std::int64_t prefix = 0;        ///< tokens at the beginning of each group that stay as they are
  bool pairs_neighbours = false;  ///< the partner is c +- 1 (EVA-02), else c +- head_dim / 2 (DINOv3)
};

/// In place, heads of rows [rows, heads head_dim], f32, columns dense: rows `first_row` and on of groups of `tokens`
/// each. Throws Error where sizes do not fit or head_dim is odd.
void rotate(const Tensor& rows, std::int64_t first_row, std::int64_t tokens, std::int64_t head_dim,
            const Rotation& rotation);

}  // namespace vitq
