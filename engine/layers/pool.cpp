#include "engine/layers/pool.h"

#include <algorithm>

#include "engine/error.h"

namespace vitq {

namespace {

void mean_of_tokens(const Tensor& tokens, std::int64_t first, const Tensor& dst) {
  const std::int64_t dim = dst.columns();
  const std::int64_t count = tokens.rows() / dst.rows();
  for (std::int64_t b = 0; b < dst.rows(); ++b) {
    float* mean = dst.row(b);
    std::fill_n(mean, dim, 0.0F);
    for (std::int64_t t = first; t < count; ++t) {
      const float* row = tokens.row(b * count + t);
      for (std::int64_t c = 0; c < dim; ++c) mean[c] += row[c];
    }
    for (std::int64_t c = 0; c < dim; ++c) mean[c] /= static_cast<float>(count - first);
  }
}

void average_with_most(const Tensor& tokens, std::int64_t first, const Tensor& dst) {
  const std::int64_t count = tokens.rows() / dst.rows();
  for (std::int64_t b = 0; b < dst.rows(); ++b) {
    for (std::int64_t c = 0; c < dst.columns(); ++c) {
      float most = tokens.row(b * count + first)[c];
      for (std::int64_t t = first + 1; t < count; ++t) most = std::max(most, tokens.row(b * count + t)[c]);
      dst.row(b)[c] = (dst.row(b)[c] + most) / 2;
    }
  }
}

Tensor columns_of(const Tensor& matrix, std::int64_t first, std::int64_t count) {
  return {matrix.f32() + first, {matrix.rows(), count}, {matrix.strides[0], 1}};
}

}  // namespace

void take_token(const Tensor& tokens, std::int64_t index, const Tensor& dst) {
  const std::int64_t count = tokens.rows() / dst.rows();
  for (std::int64_t b = 0; b < dst.rows(); ++b) std::copy_n(tokens.row(b * count + index), dst.columns(), dst.row(b));
}

void pool(Pool how, const Tensor& tokens, std::int64_t skipped, const Tensor& dst) {
  switch (how) {
    case Pool::kClassToken:
      take_token(tokens, 0, dst);
      break;
    case Pool::kTwoTokens: {
      const std::int64_t count = tokens.rows() / dst.rows();
      for (std::int64_t b = 0; b < dst.rows(); ++b) {
        const float* first = tokens.row(b * count);
        const float* second = tokens.row(b * count + 1);
        for (std::int64_t c = 0; c < dst.columns(); ++c) dst.row(b)[c] = (first[c] + second[c]) / 2;
      }
      break;
    }
    case Pool::kMean:
      mean_of_tokens(tokens, skipped, dst);
      break;
    case Pool::kMeanAndMost:
      mean_of_tokens(tokens, skipped, dst);
      average_with_most(tokens, skipped, dst);
      break;
    case Pool::kClassAndMean: {
      const std::int64_t dim = tokens.columns();
      take_token(tokens, 0, columns_of(dst, 0, dim));
      mean_of_tokens(tokens, skipped, columns_of(dst, dim, dim));
      break;
    }
    case Pool::kAttention:
      fail("pool: attention has layers of its own");
  }
}

}  // namespace vitq
