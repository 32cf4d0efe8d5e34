#pragma once
// Layers as a checkpoint holds them: what is stored under a name, floats or codes, decides what the layer is.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/layers/block.h"
#include "engine/layers/linear.h"
#include "engine/layers/norm.h"
#include "models/config.h"
#include "weights/checkpoint.h"

namespace vitq {

/// Where layers are read from. Whatever is read is checked against the sizes that are asked for: Error (kArgument)
/// where they differ, for then the configuration is not that of the checkpoint.
/// Neither checkpoint nor options is owned.
struct LayerReader {
  const Checkpoint& checkpoint;
  const PackOptions& options;  ///< how layers of floats are packed
  NormKind norm_kind;

  /// `name`.weight [outputs, inputs] (any shape of that many elements) and `name`.bias, if there is one, or the layer's
  /// quantized form (weights/artifact.h).
  [[nodiscard]] Layer linear(const std::string& name, std::int64_t outputs, std::int64_t inputs) const;
  /// The same of a layer that is never quantized; what it refers to is the checkpoint's.
  [[nodiscard]] FloatLinear floats(const std::string& name, std::int64_t outputs, std::int64_t inputs) const;
  /// `name`.weight and .bias [dim] (an RMSNorm has none), or the folded .gain and .shift.
  [[nodiscard]] Norm norm(const std::string& name, std::int64_t dim) const;
  /// The same where it is there.
  [[nodiscard]] std::optional<Norm> norm_if(bool is_there, const std::string& name, std::int64_t dim) const;
  /// Of AttentionNorms, where they are there: from `name` [heads, 1, 1], the logarithms of the factors of cosines,
  /// which count as 100 where they are more.
  [[nodiscard]] std::vector<float> lengths_if(bool is_there, const std::string& name, const Stage& stage) const;
  /// norm1, attn.{qkv,proj}, norm2, mlp.{fc1,fc2} under `name`, and the norms between them.
  [[nodiscard]] Block block(const std::string& name, const Stage& stage) const;
};

}  // namespace vitq
