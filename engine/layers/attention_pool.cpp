#include "engine/layers/attention_pool.h"

#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "engine/threads.h"

namespace vitq {

namespace {

// a . b of `count` values, in double: once for a model.
double dot(const float* a, const float* b, std::int64_t count) {
  double sum = 0;
  for (std::int64_t i = 0; i < count; ++i) sum += double{a[i]} * b[i];
  return sum;
}

void check_query(const QueryDescription& query) {
  const std::int64_t dim = std::ssize(query.latent);
  const auto fits = [&](const FloatLinear& layer, std::int64_t outputs) {
    return std::ssize(layer.weight) == outputs * dim && (layer.bias.empty() || std::ssize(layer.bias) == outputs);
  };
  check(query.heads > 0 && dim > 0 && dim % query.heads == 0 && fits(query.q, dim) && fits(query.kv, 2 * dim),
        "attention pool: a query of ", dim, " for ", query.heads, " heads, q of ", query.q.weight.size(), " and kv of ",
        query.kv.weight.size(), " elements do not fit");
}

// Row h: what a token is multiplied with to give its score in head h, k_h^T q_h / sqrt(head_dim). What the bias of k
// adds is the same for all tokens, and softmax does not see it.
Linear folded_scores(const QueryDescription& query) {
  check_query(query);
  const std::int64_t dim = std::ssize(query.latent);
  const std::int64_t head_dim = dim / query.heads;
  std::vector<double> sums(query.heads * dim);
  for (std::int64_t o = 0; o < dim; ++o) {
    const double bias = query.q.bias.empty() ? 0.0 : query.q.bias[o];
    const double q = dot(&query.q.weight[o * dim], query.latent.data(), dim) + bias;
    const float* k = &query.kv.weight[o * dim];
    double* row = &sums[o / head_dim * dim];
    for (std::int64_t c = 0; c < dim; ++c) row[c] += q * k[c];
  }
  std::vector<float> weight(sums.size());
  const double scale = 1.0 / std::sqrt(static_cast<double>(head_dim));
  std::ranges::transform(sums, weight.begin(), [&](double sum) { return static_cast<float>(sum * scale); });
  return Linear(FloatLinear{.weight = weight, .bias = {}, .outputs = query.heads, .inputs = dim});
}

// Scores of one head and picture -> probabilities, in place.
void softmax_column(float* scores, std::int64_t tokens, std::int64_t stride) {
  float most = scores[0];
  for (std::int64_t t = 1; t < tokens; ++t) most = std::max(most, scores[t * stride]);
  float sum = 0;
  for (std::int64_t t = 0; t < tokens; ++t) sum += scores[t * stride] = std::exp(scores[t * stride] - most);
  for (std::int64_t t = 0; t < tokens; ++t) scores[t * stride] /= sum;
}

}  // namespace

AttentionPool::AttentionPool(const QueryDescription& query, Layer proj, Norm norm, Mlp mlp)
    : heads_(query.heads),
      scores_(folded_scores(query)),
      proj_(std::move(proj)),
      norm_(std::move(norm)),
      mlp_(std::move(mlp)) {
  const std::int64_t dim = scores_.inputs();
  const std::int64_t head_dim = dim / heads_;
  for (std::int64_t h = 0; h < heads_; ++h) {
    const std::int64_t first = dim + h * head_dim;  // behind k
    const auto bias = query.kv.bias.empty() ? query.kv.bias : query.kv.bias.subspan(first, head_dim);
    values_.emplace_back(FloatLinear{.weight = query.kv.weight.subspan(first * dim, head_dim * dim),
                                     .bias = bias,
                                     .outputs = head_dim,
                                     .inputs = dim});
  }
}

void AttentionPool::plan(std::int64_t batch, std::int64_t tokens, BufferPlan& plan) const {
  const std::int64_t dim = scores_.inputs();
  plan.need(Slot::kQ, batch * tokens * heads_);
  plan.need(Slot::kK, heads_ * batch * dim);
  plan.need(Slot::kMixed, batch * dim);
  plan.need(Slot::kV, batch * dim);
  plan.need(Slot::kEncoded, batch * dim);
  plan.need(Slot::kRowScales, batch);
  mlp_.plan(batch, plan);
}

bool AttentionPool::run(Workspace& workspace, const Tensor& tokens, const Tensor& dst, Observer* observer) const {
  const std::int64_t batch = dst.rows();
  const std::int64_t dim = tokens.columns();
  const std::int64_t head_dim = dim / heads_;
  const std::int64_t count = tokens.rows() / batch;
  Gemm& gemm = workspace.gemm();
  const Tensor scores = workspace.tensor(Slot::kQ, {tokens.rows(), heads_});
  scores_.run(gemm, tokens, scores);
  const Tensor mixed = workspace.tensor(Slot::kK, {heads_ * batch, dim});  // head by head
  parallel_for(heads_ * batch, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t first = i % batch * count;
      float* probabilities = scores.row(first) + i / batch;
      softmax_column(probabilities, count, heads_);
      float* sum = mixed.row(i);
      std::fill_n(sum, dim, 0.0F);
      for (std::int64_t t = 0; t < count; ++t) {
        const float probability = probabilities[t * heads_];
        const float* token = tokens.row(first + t);
        for (std::int64_t c = 0; c < dim; ++c) sum[c] += probability * token[c];
      }
    }
  });
  const Tensor joined = workspace.tensor(Slot::kMixed, {batch, dim});
  for (std::int64_t h = 0; h < heads_; ++h) {
    values_[h].run(gemm, rows_of(mixed, h * batch, batch),
                   Tensor(joined.f32() + h * head_dim, {batch, head_dim}, {dim, 1}));
  }
  const Tensor src = encoded(workspace, joined, proj_.linear);
  if (observer != nullptr && !observer->input(proj_.name, src)) return false;
  proj_.linear.run(gemm, src, dst);
  return mlp_.run(workspace, normalised(workspace, norm_, dst, mlp_.fc1.linear, Slot::kV), dst, Epilogue::kAccumulate,
                  observer);
}

}  // namespace vitq
