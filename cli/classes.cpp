#include "cli/classes.h"

#include "engine/error.h"

namespace vitq {

void declare_zero_shot(ArgumentParser& parser, std::string& zero_shot) {
  parser.option("--zero-shot", "FILE",
                "classes by their texts (CLIP, SigLIP): safetensors with text_features [classes, dim],\n"
                "logit_scale (the natural logarithm of the factor, as CLIP stores it), for SigLIP logit_bias, and\n"
                "metadata class_names, a JSON list. With logit_bias probabilities are sigmoids, each class for\n"
                "itself, and do not add up to 1",
                text(zero_shot));
}

Classes::Classes(const OpenModel& model, const std::string& zero_shot, const Notices& notices)
    : model_(&model.contestant.session.model()) {
  if (zero_shot.empty()) {
    const bool projects = model.description().config.projection > 0;
    check(model_->classes() > 0, ErrorCode::kUnsupported, model.file.string(), ": ",
          projects ? "its head is a projection" : "has no head (no tensor head.weight)",
          ", so there are no classes; `vitq embed` writes its embeddings, --zero-shot FILE gives it classes, "
          "`vitq eval --knn` needs none");
    return;
  }
  texts_.emplace(zero_shot, notices);
  check(texts_->dim() == model_->embedding_size(), ErrorCode::kFormat, zero_shot, ": text_features have ",
        texts_->dim(), " values, the embeddings of ", model.file.string(), " have ", model_->embedding_size(),
        "; expected those of one model's two towers");
  logits_.resize(texts_->classes());
}

std::span<const float> Classes::logits(std::span<const float> answer) {
  if (!texts_) return answer;
  texts_->classify(answer, logits_);
  return logits_;
}

std::vector<Prediction> Classes::top(std::span<const float> logits, int k) const {
  return texts_ ? texts_->top(logits, k) : model_->top(logits, k);
}

}  // namespace vitq
