#pragma once
// Softmax of floats (engine/kernels/softmax.h), row by row.

#include "engine/kernels/rows/scores.h"

namespace vitq::rows {
namespace {

// Scales one row and adds to it; returns the maximum. The padding becomes -inf, whose exponential is 0.
[[gnu::always_inline]] inline float scale_and_add(float* x, const Softmax& all, const Added& added) {
  for (std::int64_t c = all.columns; c < all.stride; ++c) x[c] = -__builtin_inff();
  simd::Floats most = simd::splat(-__builtin_inff());
  for (std::int64_t c = 0; c < all.stride; c += simd::kLanes) {
    const simd::Floats lanes = scaled(simd::load(x + c), all.scale, added, c);
    most = simd::larger(lanes, most);
    simd::store(lanes, x + c);
  }
  return simd::max(most);
}

// exp(scores - their maximum) of row i, in place; returns their sum.
[[gnu::always_inline]] inline float exponentials_of_row(const Softmax& all, std::int64_t i, const HeadRow& row) {
  float* x = all.scores + i * all.stride;
  const float most = scale_and_add(x, all, added_to(all.terms, row));
  simd::Floats sums{};
  for (std::int64_t c = 0; c < all.stride; c += simd::kLanes) {
    const simd::Floats lanes = simd::exp_of_negative(simd::load(x + c) - most);
    sums += lanes;
    simd::store(lanes, x + c);
  }
  return simd::sum(sums);
}

void softmax(const Softmax& all, std::int64_t begin, std::int64_t end) {
  HeadRow row = row_of(all.terms, begin);
  for (std::int64_t i = begin; i < end; ++i, row.next()) {
    const float inverse = 1.0F / exponentials_of_row(all, i, row);
    float* x = all.scores + i * all.stride;
    for (std::int64_t c = 0; c < all.stride; c += simd::kLanes) simd::store(simd::load(x + c) * inverse, x + c);
  }
}

void softmax_bf16(const Softmax& all, std::int64_t begin, std::int64_t end) {
  HeadRow row = row_of(all.terms, begin);
  for (std::int64_t i = begin; i < end; ++i, row.next()) {
    const float inverse = 1.0F / exponentials_of_row(all, i, row);
    const float* x = all.scores + i * all.stride;
    std::uint16_t* to = all.bf16 + i * all.bf16_stride;
    for (std::int64_t c = 0; c < all.stride; c += simd::kLanes) simd::store_bf16(simd::load(x + c) * inverse, to + c);
    std::memset(to + all.stride, 0, (all.bf16_stride - all.stride) * sizeof(std::uint16_t));
  }
}

}  // namespace
}  // namespace vitq::rows
