#pragma once
// LayerNorm, or RMSNorm, as a layer: with float parameters, or with those that emit the codes of the layer behind it.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/kernels/layer_norm.h"
#include "engine/layers/linear.h"
#include "engine/layers/workspace.h"
#include "engine/tensor.h"

namespace vitq {

struct Norm {
  std::string name;
  std::vector<float> gamma;  ///< [dim]; the gain where folded
  std::vector<float> beta;   ///< [dim]; the shift where folded
  NormKind kind;
  bool folded = false;  ///< emits codes (engine/kernels/layer_norm.h, layer_norm_codes)

  /// src -> dst in the encoding of dst, rows gathered by `from` (engine/kernels/layer_norm.h). Throws Error where codes
  /// are asked of float parameters or floats of folded ones.
  void run(const Tensor& src, const Tensor& dst, std::span<const std::int32_t> from = {}) const;
  /// dst += the norm of src; both f32 [rows, dim], no overlap. Throws Error where it is folded.
  void add(const Tensor& src, const Tensor& dst) const;
};

/// The norm of src, in a slot of the workspace, in the encoding that `next` expects; where that has a scale for each
/// row, by way of floats in the slot, in Slot::kEncoded, which must not be `slot` then.
Tensor normalised(Workspace& workspace, const Norm& norm, const Tensor& src, const Linear& next,
                  Slot slot = Slot::kNormed, std::span<const std::int32_t> from = {});

/// src in the encoding that `next` expects: itself if it has that already, else quantized or rounded into
/// Slot::kEncoded.
Tensor encoded(Workspace& workspace, const Tensor& src, const Linear& next);

/// The same of rows `from` of src, all of them where it is empty, gathered in Slot::kNormed.
Tensor gathered(Workspace& workspace, const Tensor& src, std::span<const std::int32_t> from, const Linear& next);

}  // namespace vitq
