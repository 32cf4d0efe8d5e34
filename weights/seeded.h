#pragma once
// Seeded weights: a full-size model out of nothing, the same everywhere, so that every architecture can be checked and
// timed without a download. Each value depends only on the seed, the tensor's timm name and the element's index.

#include <cstdint>
#include <span>
#include <string_view>

#include "engine/shape.h"

namespace vitq {

/// Fills `dst`, of element_count(shape) elements in row-major order, with the values of the tensor `name`:
/// h = FNV-1a-64(name) ^ seed; element i takes the SplitMix64 output of the state h + (i + 1) * golden ratio; its top
/// 24 bits give v in [-1, 1), which is scaled by the tensor's kind:
///   relative_position_bias_table: v          tokens and position embeddings, in any library's names: 0.5 v
///   learned queries (latent, probe): 2 v          Swin V2's logit_scale: 2.5 + 2.5 v
///   LayerScale (gamma, lambda): 0.4 + 0.3 v          *.bias, *_bias: 0.1 v
///   one-dimensional (norm scales): 1 + 0.2 v          linear and convolution weights: sqrt(3 / fan_in) v
/// Throws where `dst` has another size.
void fill_seeded(std::string_view name, const Shape& shape, std::uint64_t seed, std::span<float> dst);

/// The input that goes with them, 2 v of the name `input`: [1, 3, 224, 224] in normalised space, or any other size.
void fill_seeded_input(std::uint64_t seed, std::span<float> dst);

}  // namespace vitq
