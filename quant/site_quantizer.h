#pragma once
// What becomes of one site: from all that a float layer or attention takes on the calibration pictures to its integer
// form, in the model and in the artifact.

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "engine/picture/patches.h"
#include "models/backbone.h"
#include "quant/calibrate.h"
#include "quant/covariance.h"
#include "quant/layer_input.h"
#include "quant/mixed_precision.h"
#include "quant/site_inputs.h"
#include "quant/weights.h"
#include "weights/artifact.h"
#include "weights/checkpoint.h"

namespace vitq {

/// The floats of a linear layer, not owned.
struct LayerValues {
  std::span<const float> weight, bias;
};

class SiteQuantizer {
 public:
  /// checkpoint: the float model's. class_tokens: of each picture, its first rows; none in a Swin. `advance` is called
  /// with each site's name when it is done. All must outlive it.
  SiteQuantizer(Gemm& gemm, const Checkpoint& checkpoint, const QuantizeOptions& options, BitsOf bits,
                const std::function<void(const std::string&)>& advance, std::int64_t class_tokens)
      : gemm_(gemm),
        checkpoint_(checkpoint),
        options_(options),
        bits_(std::move(bits)),
        advance_(advance),
        class_tokens_(class_tokens) {}

  /// Puts an integer layer in the place of site.linear, and folds its LayerNorm where it has one.
  void linear(const SiteRef& site, const LinearInputs& inputs);

  /// The same of a patch embedding with 8 bits, which then takes bytes, without any loss: they are what `scale` makes
  /// of the normalised pixels. plane: values of a channel.
  void pixels(const SiteRef& site, const LinearInputs& inputs, const PixelScale& scale, std::int64_t plane);

  /// Puts site.attention on integers.
  void attention(const SiteRef& site, const AttentionInputs& inputs);

  /// A site that stays as it is, by options.keep_float.
  void keep(const SiteRef& site) { report({.name = site.name}); }

  /// All tensors of the float model that no site has taken.
  void keep_the_rest(const std::vector<TensorSpec>& expected);

  ArtifactBuilder& artifact() { return artifact_; }
  std::vector<SiteReport>& reports() { return reports_; }

 private:
  [[nodiscard]] std::optional<LayerInput> row_scales_for(const std::string& layer, const LinearInputs& inputs,
                                                         const LayerInput& one_grid, int bits) const;
  void behind_norm(const SiteRef& site, const LinearInputs& inputs);
  void report(SiteReport site);
  [[nodiscard]] int weight_bits_of(const std::string& layer) const;
  [[nodiscard]] std::span<const float> weight(const std::string& layer) const;
  [[nodiscard]] std::span<const float> bias(const std::string& layer) const;
  [[nodiscard]] LayerValues values(const std::string& layer) const { return {weight(layer), bias(layer)}; }
  void replace(const SiteRef& site, const LinearInputs& inputs, LayerInput input, int weight_bits,
               const LayerValues& rounded, const LayerValues& corrected);
  [[nodiscard]] RowCodes round_weights(std::span<const float> weight, std::int64_t outputs, int bits,
                                       const Covariance* covariance, const LayerInput& input) const;
  [[nodiscard]] std::int64_t class_token_weight(const std::string& layer, std::int64_t tokens) const;

  Gemm& gemm_;
  const Checkpoint& checkpoint_;
  const QuantizeOptions& options_;
  BitsOf bits_;
  const std::function<void(const std::string&)>& advance_;
  std::int64_t class_tokens_;
  ArtifactBuilder artifact_;
  std::vector<SiteReport> reports_;
  std::set<std::string> done_;  // float tensors that the artifact holds in another form
};

}  // namespace vitq
