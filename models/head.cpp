#include "models/head.h"

namespace vitq {

Head::Head(const ModelConfig& config, const LayerReader& reader)
    : pool_(config.head().pool), skipped_(config.head().skipped) {
  const HeadConfig head = config.head();
  if (!head.norm.empty()) norm_ = reader.norm(head.norm, config.embedding(), config.eps);
  if (config.classes == 0) return;
  classifier_ = reader.linear(head.classifier, config.classes, config.embedding());
  if (!head.second.empty()) second_ = reader.linear(head.second, config.classes, config.embedding());
}

void Head::embed(const Tensor& tokens, const Tensor& dst) const {
  pool(pool_, tokens, skipped_, dst);
  if (norm_) norm_->run(dst, dst);
}

void Head::plan(std::int64_t batch, std::int64_t dim, BufferPlan& plan) const {
  plan.need(Slot::kPooled, batch * dim);
  plan.need(Slot::kEncoded, batch * dim);
}

bool Head::classify(Workspace& workspace, const Tensor& tokens, const Tensor& logits, Observer* observer) const {
  const Tensor pooled = workspace.tensor(Slot::kPooled, {logits.rows(), tokens.columns()});
  if (second_) {
    take_token(tokens, 0, pooled);
  } else {
    embed(tokens, pooled);
  }
  if (!run(*classifier_, workspace, pooled, logits, Epilogue::kNone, observer)) return false;
  if (second_) {
    take_token(tokens, 1, pooled);
    if (!run(*second_, workspace, pooled, logits, Epilogue::kAccumulate, observer)) return false;
    for (std::int64_t b = 0; b < logits.rows(); ++b) {
      for (std::int64_t c = 0; c < logits.columns(); ++c) logits.row(b)[c] *= 0.5F;  // the mean of both heads
    }
  }
  workspace.clock().lap(Step::kHead);
  return true;
}

bool Head::run(const Layer& layer, Workspace& workspace, const Tensor& pooled, const Tensor& logits, Epilogue epilogue,
               Observer* observer) const {
  const Tensor src = encoded(workspace, pooled, layer.linear);
  if (observer != nullptr && !observer->input(layer.name, src)) return false;
  layer.linear.run(workspace.gemm(), src, logits, epilogue);
  return true;
}

void Head::visit_sites(const std::function<void(const SiteRef&)>& use) {
  if (classifier_) use({.name = classifier_->name, .linear = &classifier_->linear});
  if (second_) use({.name = second_->name, .linear = &second_->linear});
}

}  // namespace vitq
