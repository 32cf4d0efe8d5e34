#pragma once
// The one table of architectures. A new one is a row: a body in config.h, its functions, its pass.

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "models/backbone.h"
#include "models/config.h"
#include "models/read_layers.h"

namespace vitq {

struct ArchitectureEntry {
  std::string_view name;
  /// Whether a checkpoint's names are of this architecture.
  bool (*recognises)(const Checkpoint& checkpoint);
  /// Fills in what the shapes and the metadata say; config.patch is known.
  void (*infer)(const Checkpoint& checkpoint, ModelConfig& config);
  /// Throws Error for what makes no sense of the body.
  void (*check)(const ModelConfig& config);
  /// Adds all tensors but the patch embedding's projection.
  void (*tensors)(const ModelConfig& config, std::vector<TensorSpec>& tensors);
  /// Of the blocks and what stands between them.
  std::int64_t (*macs)(const ModelConfig& config);
  /// The pass, whose sites (Backbone::visit_sites) are what a quantizer replaces.
  std::unique_ptr<Backbone> (*build)(const ModelConfig& config, const LayerReader& reader);
};

/// In the order of Architecture.
std::span<const ArchitectureEntry> architectures();

/// The row of a configuration.
const ArchitectureEntry& architecture_of(const ModelConfig& config);

}  // namespace vitq
