#pragma once
// What becomes of one site: from all that a float layer or attention takes on the calibration pictures to its integer
// form, in the model and in the artifact.

#include <cstdint>
#include <functional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "models/backbone.h"
#include "quant/calibrate.h"
#include "quant/layer_input.h"
#include "quant/mixed_precision.h"
#include "quant/weights.h"
#include "weights/artifact.h"
#include "weights/checkpoint.h"

namespace vitq {

/// The pictures that a site is fitted to.
struct CalibrationSet {
  std::int64_t pictures = 0;
  std::int64_t class_tokens = 0;  ///< of each picture, its first rows; none in a Swin
};

class SiteQuantizer {
 public:
  /// checkpoint: the float model's. `advance` is called with each site's name when it is done. All must outlive it.
  SiteQuantizer(Gemm& gemm, const Checkpoint& checkpoint, const QuantizeOptions& options, BitsOf bits,
                const std::function<void(const std::string&)>& advance, const CalibrationSet& set)
      : gemm_(gemm), checkpoint_(checkpoint), options_(options), bits_(std::move(bits)), advance_(advance), set_(set) {}

  /// Puts an integer layer in the place of site.linear, and folds its LayerNorm where it has one. src: f32 [rows,
  /// inputs], what the layer takes on all pictures.
  void linear(const SiteRef& site, const Tensor& src);

  /// Puts site.attention on integers. qkv: f32 [groups tokens, 3 heads head_dim]; shape: of all pictures.
  void attention(const SiteRef& site, const Tensor& qkv, std::int64_t heads, const AttentionShape& shape);

  /// A site that stays as it is, by options.keep_float.
  void keep(const SiteRef& site) { report({.name = site.name}); }

  /// All tensors of the float model that no site has taken.
  void keep_the_rest(const std::vector<TensorSpec>& expected);

  ArtifactBuilder& artifact() { return artifact_; }
  std::vector<SiteReport>& reports() { return reports_; }

 private:
  void behind_norm(const SiteRef& site, const Tensor& normed);
  void report(SiteReport site);
  [[nodiscard]] int weight_bits_of(const std::string& layer) const;
  [[nodiscard]] std::span<const float> weight(const std::string& layer) const;
  [[nodiscard]] std::span<const float> bias(const std::string& layer) const;
  void replace(const SiteRef& site, const Tensor& src, LayerInput& input, int weight_bits,
               std::span<const float> folded_weight, std::span<const float> folded_bias);
  RowCodes round_weights(const std::string& name, std::span<const float> weight, std::int64_t outputs, int bits,
                         const LayerInput& input);
  [[nodiscard]] std::int64_t class_token_weight(std::int64_t tokens) const;

  Gemm& gemm_;
  const Checkpoint& checkpoint_;
  const QuantizeOptions& options_;
  BitsOf bits_;
  const std::function<void(const std::string&)>& advance_;
  CalibrationSet set_;
  ArtifactBuilder artifact_;
  std::vector<SiteReport> reports_;
  std::set<std::string> done_;  // float tensors that the artifact holds in another form
};

}  // namespace vitq
