#pragma once
// Quantizing a model: one forward pass over the calibration pictures, in which each site is turned into integers just
// before it runs, so that every site is fitted to already quantized inputs (docs/quantization.md, section "The
// calibration pass").

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "models/describe.h"
#include "quant/fold.h"
#include "weights/artifact.h"
#include "weights/checkpoint.h"

namespace vitq {

/// How softmax values are encoded; the numbers are those of the artifact.
enum class SoftmaxMethod : std::uint8_t { kUniform = 0, kTanq = 1, kLog2 = 2, kLogSqrt2 = 3 };

/// How weights become codes: each to the nearest, or together (quant/gptq.h).
enum class Rounding : std::uint8_t { kNearest, kGptq };

struct QuantizeOptions {
  int weight_bits = 8;      ///< 3 to 8
  int activation_bits = 8;  ///< 3 to 8
  int edge_bits = 8;        ///< both, of the patch embedding and the head
  /// Bytes that the artifact may have; 0: as many as it takes. Where it is less than weight_bits everywhere take, the
  /// layers between the edges get 3 to weight_bits bits each, by what their weights matter (quant/sensitivity.h).
  std::int64_t most_bytes = 0;
  SoftmaxMethod softmax = SoftmaxMethod::kTanq;
  ScaleFactor scale_factor = ScaleFactor::kMedian;
  /// How far a LayerNorm takes over its channels' scales (quant/fold.h). Nothing: default_fold_strength.
  std::optional<double> fold_strength;
  Rounding rounding = Rounding::kGptq;
  /// Layers (kinds or names, as in keep_float) whose inputs of less than 8 bits have a code book (quant/lloyd_max.h)
  /// instead of a uniform grid: fc2 takes GELU's output, proj attention's.
  std::vector<std::string> code_books = {"fc2", "proj"};
  /// Layers (kinds or names) whose input has a scale for each row (quant/row_scales.h), where that is possible: not
  /// the edges, nor where there is one row for a picture. Nothing: those that need it.
  std::optional<std::vector<std::string>> row_scales;
  /// Weights of 4 bits or less on levels of their own, one code book a layer (with kGptq only).
  bool weight_code_books = true;
  bool bias_correction = true;
  /// Sites left in float: kinds ("patch", "qkv", "attention", "proj", "fc1", "fc2", "reduction", "head") or names
  /// ("blocks.0.mlp.fc2").
  std::vector<std::string> keep_float;
  /// Values of one site that its ranges and code books are searched on, at most (128 MiB of floats); of more, evenly
  /// spread rows. What can be summed, the weights' rounding and the bias correction, always takes all.
  std::int64_t most_sampled = std::int64_t{1} << 25;
  int threads = 0;  ///< 0: as SessionOptions::threads
  /// Called after each site, on the calling thread.
  std::function<void(int done, int total, const std::string& site)> progress;
};

/// 1, the full fold, where activations have less than 8 bits: they need it. With 8 the weights pay for the spread that
/// folding puts into them, and less is better: 0.75 for 8-bit weights (DeiT-T, 336 pictures, one seed: logit SQNR 20.7
/// dB against 20.5), 0.5 below (W4A8: KL 0.093 against 0.121).
double default_fold_strength(int weight_bits, int activation_bits);

/// options.fold_strength, or the default for weights of so many bits.
double fold_strength_of(const QuantizeOptions& options, int weight_bits);

/// "w4a8": the bits of the weights and the activations between the edges; "wxa8" where a size decides over the first.
std::string precision_name(const QuantizeOptions& options);

/// What became of one site. Bits of 0 mean float.
struct SiteReport {
  std::string name;
  int weight_bits = 0;
  int input_bits = 0;
  double sqnr_db = 0;       ///< of the site's output on (part of) the calibration set, against its float form
  double scale_spread = 0;  ///< largest over smallest weight scale of a layer; of the channels, behind a LayerNorm
  float tanq_a = 0;         ///< attention only
  float tanq_c = 0;
  /// What it takes has no range on the pictures: the values of a layer, those of most channels behind a LayerNorm, or
  /// q, k or v. Its codes hold for nothing else, and its SQNR says nothing.
  bool is_flat = false;
  bool row_scales = false;  ///< each row of what it takes has a scale of its own
};

struct QuantizedModel {
  ArtifactBuilder
      artifact;  ///< complete but for the metadata that only the caller knows (calibration pictures, source)
  std::vector<SiteReport> sites;
};

/// images: [count, 3, size, size], normalised; `checkpoint` holds the float model that `description` describes.
/// Memory: the activations of all pictures at once. Throws Error for bits outside 3..8, an unknown site in keep_float,
/// no pictures, or a size that 3-bit weights do not reach.
QuantizedModel quantize_model(const Checkpoint& checkpoint, const ModelDescription& description,
                              std::span<const float> images, std::int64_t count, const QuantizeOptions& options);

}  // namespace vitq
