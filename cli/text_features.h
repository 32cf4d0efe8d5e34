#pragma once
// Classes by their texts, for models that were trained with a text tower (CLIP, SigLIP): what that tower makes of each
// class's text, in a safetensors file that anybody wrote. The classes of --zero-shot.

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "cli/notices.h"
#include "vitq/model.h"

namespace vitq {

/// Logits of an embedding e and the text t of a class: scale (e . t) / (|e| |t|) + bias. CLIP: no bias, probabilities
/// are the softmax over the classes (Radford et al., arXiv 2103.00020, figure 3). SigLIP: a bias, probabilities are the
/// sigmoid of each logit, each class for itself, and do not add up to 1 (Zhai et al., arXiv 2303.15343, equation 1).
class TextFeatures {
 public:
  /// Reads the file `path`: `text_features` F32, F16 or BF16 [classes, dim], of any length; `logit_scale`, one number,
  /// the natural logarithm of the scale, as CLIP and SigLIP store it; `logit_bias`, one number, absent for CLIP.
  /// Metadata `class_names` or `classes`: a JSON list of as many names; without, a class is called "class N". A missing
  /// logit_scale is said, and ln 100 is assumed (CLIP's). Throws Error naming what is not that: a feature that is not
  /// finite or of length 0, a scale that is no logarithm.
  TextFeatures(const std::filesystem::path& path, const Notices& notices);

  [[nodiscard]] const std::filesystem::path& file() const { return file_; }
  [[nodiscard]] std::int64_t classes() const { return std::ssize(names_); }
  /// Floats of the embedding that it goes with.
  [[nodiscard]] std::int64_t dim() const { return dim_; }
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }

  /// embedding: [dim]; logits: [classes]. An embedding of length 0 is as far from one class as from another.
  void classify(std::span<const float> embedding, std::span<float> logits) const;
  /// The `k` best of logits [classes], with their probabilities.
  [[nodiscard]] std::vector<Prediction> top(std::span<const float> logits, int k) const;

 private:
  std::filesystem::path file_;
  std::int64_t dim_ = 0;
  std::vector<float> directions_;  ///< [classes, dim], each of length 1
  std::vector<std::string> names_;
  double scale_ = 0;
  double bias_ = 0;
  bool is_sigmoid_ = false;
};

}  // namespace vitq
