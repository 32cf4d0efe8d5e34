#pragma once
// What the configurations of all architectures are read and checked with. For *_config.cpp and config.cpp.

#include <cstdint>
#include <string>
#include <vector>

#include "models/config.h"

namespace vitq {

/// Throws Error unless 1 <= value <= 65536: far above any published model, far below any overflow.
void check_extent(std::int64_t value, const char* what);
/// The same for all numbers of a stage.
void check_stage(const Stage& stage);

/// One extent of a tensor that must be there with so many dimensions; throws Error (kFormat).
std::int64_t dimension(const Checkpoint& checkpoint, const std::string& name, std::size_t rank, std::size_t axis);
/// [outputs, inputs] of a linear layer that must be there, quantized or not; throws Error (kFormat).
Shape linear_shape(const Checkpoint& checkpoint, const std::string& layer);
/// How many blocks there are under `prefix`0, `prefix`1, ...
std::int64_t count_blocks(const Checkpoint& checkpoint, const std::string& prefix);
/// 0 where it is no square, or one beyond all reason: a tensor without elements may have any extents.
std::int64_t exact_root(std::int64_t square);

void add_linear(std::vector<TensorSpec>& tensors, const std::string& name, std::int64_t outputs, std::int64_t inputs);
/// An RMSNorm has no bias.
void add_norm(std::vector<TensorSpec>& tensors, const std::string& name, std::int64_t dim, bool has_bias = true);
/// norm1, attn.{qkv,proj}, norm2, mlp.{fc1,fc2}, and the norms between them; with a window,
/// attn.relative_position_bias_table too.
void add_block(std::vector<TensorSpec>& tensors, const std::string& name, const Stage& stage, std::int64_t window,
               bool has_norm_bias = true);

/// Of all blocks of a stage over `tokens` tokens, each of which looks at `attended`.
std::int64_t stage_macs(const Stage& stage, std::int64_t tokens, std::int64_t attended);

}  // namespace vitq
