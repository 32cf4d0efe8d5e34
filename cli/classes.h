#pragma once
// Where the classes of an answer come from: the model's own head, or texts (--zero-shot).

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "cli/inference.h"
#include "cli/model_options.h"
#include "cli/text_features.h"

namespace vitq {

/// Adds --zero-shot.
void declare_zero_shot(ArgumentParser& parser, std::string& zero_shot);

class Classes {
 public:
  /// The head's of `model`, which must outlive this, or of the file `zero_shot`, where that is not empty. Throws Error
  /// where the model has no head and there is no file, or its features are of another size than the embeddings.
  Classes(const OpenModel& model, const std::string& zero_shot, const Notices& notices);

  /// What infer() is to ask for.
  [[nodiscard]] Answer answer() const { return texts_ ? Answer::kEmbedding : Answer::kLogits; }
  [[nodiscard]] const std::vector<std::string>& names() const {
    return texts_ ? texts_->names() : model_->class_names();
  }
  [[nodiscard]] std::int64_t size() const { return std::ssize(names()); }

  /// Logits [size] of such an answer, valid until the next call.
  std::span<const float> logits(std::span<const float> answer);
  /// The k best of them.
  [[nodiscard]] std::vector<Prediction> top(std::span<const float> logits, int k) const;

 private:
  const Model* model_;
  std::optional<TextFeatures> texts_;
  std::vector<float> logits_;
};

}  // namespace vitq
