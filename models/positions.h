#pragma once
// Where a patch stands: embeddings for another picture size than they were trained with, rotations, relative biases.

#include <cstdint>
#include <span>
#include <vector>

#include "models/config.h"

namespace vitq {

/// [from.rows, from.columns, dim] -> [to.rows, to.columns, dim], first across and then down, in float. kAntialiased: as
/// timm's resample_abs_pos_embed, which is PyTorch's interpolate(mode = bicubic, antialias = true): filter_taps().
/// kPlain: as interpolate(mode = bicubic, align_corners = false): a cubic with a = -0.75, four taps, edges repeated.
std::vector<float> resample_positions(std::span<const float> grid, Grid from, Grid to, std::int64_t dim,
                                      PositionFilter filter = PositionFilter::kAntialiased);

/// Cosines and sines of rotary position embeddings, both [patches, head_dim] (engine/kernels/rotate.h says how they are
/// applied). A quarter of a head's width are frequencies f_k; each pair of its columns turns by f_k y or f_k x of the
/// patch (y, x): kDinoV3: y = 2 (row + 1/2) / rows - 1, f_k = 2 pi / 100^(4 k / head_dim); kEva02: y = 16 row / rows,
/// f_k = 10000^(-4 k / head_dim). Source: timm 1.0, RotaryEmbeddingDinoV3 and RotaryEmbeddingCat.
struct RotationTables {
  std::vector<float> cosine;
  std::vector<float> sine;
  bool pairs_neighbours = false;
};
RotationTables rotation_tables(Rope rope, Grid grid, std::int64_t head_dim);

/// [heads, tokens, padded_columns(tokens)] from BEiT's table [(2 rows - 1) (2 columns - 1) + 3, heads] (Bao et
/// al., arXiv 2106.08254): between patches as in Swin; its last three rows are for the class token in front as the
/// query, as the key, and as both. Padding is 0.
std::vector<float> relative_bias_with_class(std::span<const float> table, Grid grid, std::int64_t heads);

/// The MLP of Swin V2 that makes biases of relative positions (Liu et al., arXiv 2111.09883): bias = 16 sigmoid(out
/// relu(in x + in_bias)). in: [hidden, 2]; in_bias: [hidden]; out: [heads, hidden].
struct BiasMlp {
  std::span<const float> in;
  std::span<const float> in_bias;
  std::span<const float> out;
};

/// Its table for relative_bias (engine/layers/windows.h), [(2 window - 1)^2, heads]: of x = (y, x) each as sign(d)
/// log2(1
/// + 8 |d| / (reach - 1)) / 3 for an offset of d tokens, where reach is trained_window, or the window itself where that
/// is 0. Computed in double. Throws Error where sizes do not fit, for a trained_window of 1, or a window of less
/// than 1.
std::vector<float> continuous_bias(const BiasMlp& mlp, std::int64_t window, std::int64_t trained_window,
                                   std::int64_t heads);

}  // namespace vitq
