#pragma once
// Where a patch stands: embeddings for another picture size than they were trained with, rotations, relative biases.

#include <cstdint>
#include <span>
#include <vector>

#include "models/config.h"

namespace vitq {

/// [from, from, dim] -> [to, to, dim] as timm's resample_abs_pos_embed does it, which is PyTorch's interpolate(mode =
/// bicubic, antialias = true): filter_taps() first across and then down, in float.
std::vector<float> resample_positions(std::span<const float> grid, std::int64_t from, std::int64_t to,
                                      std::int64_t dim);

/// Cosines and sines of rotary position embeddings, both [grid^2, head_dim] (engine/kernels/rotate.h says how they are
/// applied). A quarter of a head's width are frequencies f_k; each pair of its columns turns by f_k y or f_k x of the
/// patch (y, x): kDinoV3: y = 2 (row + 1/2) / grid - 1, f_k = 2 pi / 100^(4 k / head_dim); kEva02: y = 16 row / grid,
/// f_k = 10000^(-4 k / head_dim). Source: timm 1.0, RotaryEmbeddingDinoV3 and RotaryEmbeddingCat.
struct RotationTables {
  std::vector<float> cosine;
  std::vector<float> sine;
  bool pairs_neighbours = false;
};
RotationTables rotation_tables(Rope rope, std::int64_t grid, std::int64_t head_dim);

/// [heads, tokens, padded_columns(tokens)] from BEiT's table [(2 grid - 1)^2 + 3, heads] (Bao et al., arXiv
/// 2106.08254): between patches as in Swin; its last three rows are for the class token in front as the query, as the
/// key, and as both. Padding is 0.
std::vector<float> relative_bias_with_class(std::span<const float> table, std::int64_t grid, std::int64_t heads);

}  // namespace vitq
