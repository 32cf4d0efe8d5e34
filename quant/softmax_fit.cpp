#include "quant/softmax_fit.h"

#include <algorithm>
#include <cmath>

#include "engine/kernels/softmax.h"
#include "quant/log_codes.h"
#include "quant/tanq_search.h"

namespace vitq {

namespace {

constexpr int kAllBits = 8;

// Scaled scores, bias and mask added, and v as it will run.
struct Sample {
  std::vector<float> scores;  // [groups heads, tokens, padded]
  std::vector<float> v;       // [groups heads, tokens, head_dim]
};

void add_terms(float* scores, const AttentionShape& shape, std::int64_t heads, std::int64_t group, float scale) {
  const std::int64_t stride = padded_columns(shape.tokens);
  const std::int64_t matrix = shape.tokens * stride;
  for (std::int64_t h = 0; h < heads; ++h) {
    for (std::int64_t i = 0; i < matrix; ++i) {
      float& score = scores[h * matrix + i];
      score *= scale;
      if (!shape.bias.empty()) score += shape.bias[h * matrix + i];
      if (!shape.mask.empty()) score += shape.mask[group % shape.per_picture * matrix + i];
    }
  }
}

Sample take_sample(Gemm& gemm, const AttentionInputs& inputs, float v_scale) {
  const std::int64_t heads = inputs.heads;
  const std::int64_t tokens = inputs.shape.tokens;
  const std::int64_t count = std::ssize(inputs.numbers);
  const std::int64_t dim = inputs.groups.columns() / 3;
  const std::int64_t head_dim = dim / heads;
  const std::int64_t stride = padded_columns(tokens);
  Sample sample;
  sample.scores.assign(count * heads * tokens * stride, 0.0F);
  for (std::int64_t g = 0; g < count; ++g) {
    float* row = inputs.groups.row(g * tokens);
    const Tensor q(row, {1, heads, tokens, head_dim}, {tokens * 3 * dim, head_dim, 3 * dim, 1});
    const Tensor k(row + dim, {1, heads, head_dim, tokens}, {tokens * 3 * dim, head_dim, 1, 3 * dim});
    float* scores = &sample.scores[g * heads * tokens * stride];
    gemm.multiply(q, k,
                  Tensor(scores, {1, heads, tokens, tokens}, {heads * tokens * stride, tokens * stride, stride, 1}));
    add_terms(scores, inputs.shape, heads, inputs.numbers[g], 1.0F / std::sqrt(static_cast<float>(head_dim)));
    for (std::int64_t h = 0; h < heads; ++h) {
      for (std::int64_t t = 0; t < tokens; ++t) {
        const float* v = row + t * 3 * dim + 2 * dim + h * head_dim;
        for (std::int64_t d = 0; d < head_dim; ++d) sample.v.push_back(std::nearbyint(v[d] / v_scale) * v_scale);
      }
    }
  }
  return sample;
}

}  // namespace

std::vector<std::int64_t> groups_to_fit(const AttentionShape& shape) {
  constexpr std::int64_t kPictures = 4;
  constexpr std::int64_t kWindows = 64;
  const std::int64_t count = std::min(shape.groups, shape.per_picture == 1 ? kPictures : kWindows);
  std::vector<std::int64_t> numbers(count);
  for (std::int64_t i = 0; i < count; ++i) numbers[i] = i * shape.groups / count;
  return numbers;
}

SoftmaxFit fit_softmax(Gemm& gemm, const AttentionInputs& inputs, float v_scale, int bits, SoftmaxMethod method) {
  const Sample sample = take_sample(gemm, inputs, v_scale);
  const AttentionProbe probe({.scores = sample.scores,
                              .v = sample.v,
                              .heads = std::ssize(inputs.numbers) * inputs.heads,
                              .tokens = inputs.shape.tokens,
                              .head_dim = inputs.groups.columns() / 3 / inputs.heads,
                              .score_stride = padded_columns(inputs.shape.tokens)});
  SoftmaxFit fit;
  SoftmaxTable table;
  const bool uniform = method == SoftmaxMethod::kUniform || (method == SoftmaxMethod::kTanq && bits == kAllBits);
  if (uniform) {
    table = level_table(tanq_levels({}, bits));
  } else if (method == SoftmaxMethod::kTanq) {
    const TanqFit best = search_tanq(probe, bits);
    fit.shape = best.shape;
    table = best.table;
  } else {
    table = log_table({.steps_per_octave = method == SoftmaxMethod::kLog2 ? 1 : 2, .bits = bits, .scale = 1});
  }
  fit.error = probe.error(table);
  if (!(uniform && bits == kAllBits)) fit.table.assign(table.begin(), table.end());
  return fit;
}

}  // namespace vitq
