#pragma once
// Layers as a checkpoint holds them: what is stored under a name, floats or codes, decides what the layer is.

#include <cstdint>
#include <string>

#include "engine/layers/block.h"
#include "engine/layers/linear.h"
#include "engine/layers/norm.h"
#include "models/config.h"
#include "weights/checkpoint.h"

namespace vitq {

/// Where layers are read from. Whatever is read is checked against the sizes that are asked for: Error (kArgument)
/// where they differ, for then the configuration is not that of the checkpoint.
///, and how those of floats are packed. Neither is owned.
struct LayerReader {
  const Checkpoint& checkpoint;
  const PackOptions& options;

  /// `name`.weight [outputs, inputs] (any shape of that many elements) and `name`.bias, if there is one, or the layer's
  /// quantized form (weights/artifact.h).
  [[nodiscard]] Layer linear(const std::string& name, std::int64_t outputs, std::int64_t inputs) const;
  /// `name`.weight and .bias [dim], or the folded .gain and .shift.
  [[nodiscard]] Norm norm(const std::string& name, std::int64_t dim, float eps) const;
  /// norm1, attn.{qkv,proj}, norm2, mlp.{fc1,fc2} under `name`.
  [[nodiscard]] Block block(const std::string& name, const Stage& stage, float eps) const;
};

}  // namespace vitq
