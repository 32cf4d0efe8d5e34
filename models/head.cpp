#include "models/head.h"

namespace vitq {

namespace {

AttentionPool read_attention_pool(const ModelConfig& config, const LayerReader& reader) {
  const Stage& blocks = config.vit().blocks;
  const std::int64_t dim = blocks.dim;
  const std::int64_t hidden = config.vit().pool_hidden;
  return {{.latent = reader.checkpoint.f32("attn_pool.latent"),
           .q = reader.floats("attn_pool.q", dim, dim),
           .kv = reader.floats("attn_pool.kv", 2 * dim, dim),
           .heads = blocks.heads},
          reader.linear("attn_pool.proj", dim, dim),
          reader.norm("attn_pool.norm", dim),
          {.fc1 = reader.linear("attn_pool.mlp.fc1", hidden, dim),
           .fc2 = reader.linear("attn_pool.mlp.fc2", dim, hidden),
           .activation = blocks.activation}};
}

}  // namespace

Head::Head(const ModelConfig& config, const LayerReader& reader)
    : pool_(config.head().pool), skipped_(config.head().skipped), pooled_size_(config.pooled_size()) {
  const HeadConfig head = config.head();
  if (pool_ == Pool::kAttention) attention_.emplace(read_attention_pool(config, reader));
  norm_ = reader.norm_if(!head.norm.empty(), head.norm, pooled_size_);
  if (config.projection > 0) projection_ = reader.linear(head.classifier, config.projection, pooled_size_);
  if (config.classes == 0) return;
  classifier_ = reader.linear(head.classifier, config.classes, pooled_size_);
  if (!head.second.empty()) second_ = reader.linear(head.second, config.classes, pooled_size_);
}

void Head::plan(std::int64_t batch, const ModelConfig& config, BufferPlan& plan) const {
  plan.need(Slot::kPooled, batch * pooled_size_);
  plan.need(Slot::kEncoded, batch * pooled_size_);
  plan.need(Slot::kRowScales, batch);
  if (!attention_) return;
  attention_->plan(batch, config.grid().count() + config.prefix_tokens(), plan);
}

bool Head::pool_tokens(Workspace& workspace, const Tensor& tokens, const Tensor& dst, Observer* observer) const {
  if (attention_) {
    if (!attention_->run(workspace, tokens, dst, observer)) return false;
  } else {
    pool(pool_, tokens, skipped_, dst);
  }
  if (norm_) norm_->run(dst, dst);
  return true;
}

bool Head::embed(Workspace& workspace, const Tensor& tokens, const Tensor& dst, Observer* observer) const {
  if (!projection_) return pool_tokens(workspace, tokens, dst, observer);
  const Tensor pooled = workspace.tensor(Slot::kPooled, {dst.rows(), pooled_size_});
  return pool_tokens(workspace, tokens, pooled, observer) &&
         run(*projection_, workspace, pooled, dst, Epilogue::kNone, observer);
}

bool Head::classify(Workspace& workspace, const Tensor& tokens, const Tensor& logits, Observer* observer) const {
  const Tensor pooled = workspace.tensor(Slot::kPooled, {logits.rows(), pooled_size_});
  if (second_) {
    take_token(tokens, 0, pooled);
  } else if (!pool_tokens(workspace, tokens, pooled, observer)) {
    return false;
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
  if (attention_) {
    use({.name = attention_->proj().name, .linear = &attention_->proj().linear});
    visit_mlp(&attention_->norm(), attention_->mlp(), use);
  }
  for (auto* layer : {&projection_, &classifier_, &second_}) {
    if (*layer) use({.name = (*layer)->name, .linear = &(*layer)->linear});
  }
}

}  // namespace vitq
