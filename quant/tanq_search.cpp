#include "quant/tanq_search.h"

#include <algorithm>
#include <cmath>

#include "engine/error.h"
#include "engine/kernels/search.h"
#include "engine/threads.h"
#include "quant/uniform.h"

namespace vitq {

namespace {

void check_sample(const AttentionSample& s) {
  check(s.heads > 0 && s.tokens > 0 && s.head_dim > 0 && s.score_stride >= s.tokens, "TanQ search: ", s.heads,
        " heads, ", s.tokens, " tokens, head_dim ", s.head_dim, ", score stride ", s.score_stride,
        "; expected positive numbers and a stride of at least the tokens");
  check(std::ssize(s.scores) == s.heads * s.tokens * s.score_stride, "TanQ search: ", s.scores.size(),
        " scores, expected ", s.heads * s.tokens * s.score_stride);
  check(std::ssize(s.v) == s.heads * s.tokens * s.head_dim, "TanQ search: ", s.v.size(), " values, expected ",
        s.heads * s.tokens * s.head_dim);
}

// e = exp(score - maximum) of one row as indices into a table; adds sum e v / sum e to `output`.
void take_row(const AttentionSample& s, std::int64_t row, std::uint16_t* indices, std::vector<double>& output) {
  const auto scores = s.scores.subspan(row * s.score_stride, s.tokens);
  const double most = *std::ranges::max_element(scores);
  check(std::isfinite(most), "TanQ search: the largest score of a row is ", most, ", expected a finite number");
  const float* v = s.v.data() + row / s.tokens * s.tokens * s.head_dim;
  std::ranges::fill(output, 0.0);
  double total = 0;
  for (std::int64_t j = 0; j < s.tokens; ++j) {
    const double e = std::exp(scores[j] - most);
    check(e >= 0 && e <= 1, "TanQ search: a score is ", scores[j], ", expected a number");
    indices[j] = static_cast<std::uint16_t>(std::nearbyint(e * (kTableEntries - 1)));
    total += e;
    for (std::int64_t d = 0; d < s.head_dim; ++d) output[d] += e * v[j * s.head_dim + d];
  }
  for (double& value : output) value /= total;
}

}  // namespace

AttentionProbe::AttentionProbe(const AttentionSample& sample, std::int64_t budget)
    : tokens_(sample.tokens), padded_dim_((sample.head_dim + kVectorLanes - 1) / kVectorLanes * kVectorLanes) {
  check_sample(sample);
  check_finite(sample.v, "TanQ search: the values of attention");
  const std::int64_t all = sample.heads * tokens_;
  const std::int64_t rows = std::clamp<std::int64_t>(budget / (tokens_ * sample.head_dim), 1, all);
  v_.resize(all * padded_dim_);
  for (std::int64_t i = 0; i < all; ++i) {
    std::copy_n(sample.v.data() + i * sample.head_dim, sample.head_dim, v_.data() + i * padded_dim_);
  }
  indices_.resize(rows * tokens_);
  outputs_.resize(rows * padded_dim_);
  std::vector<double> output(sample.head_dim);
  for (std::int64_t r = 0; r < rows; ++r) {
    const std::int64_t row = r * all / rows;
    head_of_row_.push_back(row / tokens_);
    take_row(sample, row, indices_.data() + r * tokens_, output);
    for (std::int64_t d = 0; d < sample.head_dim; ++d) {
      outputs_[r * padded_dim_ + d] = static_cast<float>(output[d]);
      power_ += output[d] * output[d];
    }
  }
}

double AttentionProbe::error(const SoftmaxTable& table) const {
  std::array<float, kTableEntries> weight{};
  std::ranges::copy(table, weight.begin());
  check(table.back() > 0, "TanQ search: the table gives 0 for e = 1, expected its largest level");
  double total = 0;
  for (std::int64_t r = 0; r < rows(); ++r) {
    total += attention_error({.table = weight.data(),
                              .indices = indices_.data() + r * tokens_,
                              .v = v_.data() + head_of_row_[r] * tokens_ * padded_dim_,
                              .expected = outputs_.data() + r * padded_dim_,
                              .tokens = tokens_,
                              .stride = padded_dim_});
  }
  return power_ > 0 ? total / power_ : 0.0;
}

TanqFit search_tanq(const AttentionProbe& probe, int bits) {
  std::vector<TanqFit> fits;
  for (const TanqShape& shape : tanq_grid()) {
    const TanqFit fit{shape, level_table(tanq_levels(shape, bits)), 0};
    // Shapes that are one on the 255-step grid need one look.
    if (std::ranges::find(fits, fit.table, &TanqFit::table) == fits.end()) fits.push_back(fit);
  }
  parallel_for(std::ssize(fits), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) fits[i].error = probe.error(fits[i].table);
  });
  return *std::ranges::min_element(fits, {}, &TanqFit::error);
}

}  // namespace vitq
