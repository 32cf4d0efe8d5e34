#pragma once
// From a float model to one that runs on integers, by a few pictures without labels.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>

#include "vitq/image.h"

namespace vitq {

struct QuantizeSettings {
  int weight_bits = 8;      ///< 3 to 8
  int activation_bits = 8;  ///< 3 to 8
  int edge_bits = 8;        ///< both, of the patch embedding and the head; 3 to 8
  int threads = 0;          ///< 0: as SessionOptions::threads
  /// Called after each site (a layer or an attention) on the calling thread. False: stop, with Error (kCancelled) and
  /// nothing written.
  std::function<bool(int done, int total, const std::string& site)> progress = {};
};

/// Quantizes the float model `model` (Model::open) on `pictures` (32 are enough) and writes the artifact `out`, whole
/// or not at all. Weights and activations of b bits are stored as b-bit codes and run as 8-bit operands of exact
/// integer products. Throws Error: as Model::open; kArgument for bits outside 3 to 8, no pictures, or a model that is
/// an artifact already; kFile where `out` cannot be written; kCancelled.
[[gnu::visibility("default")]] void quantize(const std::string& model, std::span<const ImageView> pictures,
                                             const std::filesystem::path& out, const QuantizeSettings& settings = {});

}  // namespace vitq
