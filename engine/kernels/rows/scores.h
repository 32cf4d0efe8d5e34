#pragma once
// Attention scores with what is added to them: what both softmaxes begin with.

#include "engine/kernels/rows/head_row.h"
#include "engine/kernels/simd.h"

namespace vitq::rows {
namespace {

[[gnu::always_inline]] inline HeadRow row_of(const ScoreTerms& all, std::int64_t i) {
  return {all.first_row + i, all.masks, all.heads, all.tokens};
}

/// What is added to one row; null: nothing.
struct Added {
  const float* bias;
  const float* mask;
};

[[gnu::always_inline]] inline Added added_to(const ScoreTerms& all, const HeadRow& row) {
  const std::int64_t bias = (row.head() * all.tokens + row.token()) * all.stride;
  const std::int64_t mask = (row.group() * all.tokens + row.token()) * all.stride;
  return {all.bias == nullptr ? nullptr : all.bias + bias, all.mask == nullptr ? nullptr : all.mask + mask};
}

/// x * scale + bias + mask, from column c on; the first that is added is not rounded before.
[[gnu::always_inline]] inline simd::Floats scaled(simd::Floats x, float scale, const Added& added, std::int64_t c) {
  if (added.bias == nullptr && added.mask == nullptr) return x * scale;
  if (added.bias == nullptr) return simd::fma(x, scale, simd::load(added.mask + c));
  x = simd::fma(x, scale, simd::load(added.bias + c));
  return added.mask == nullptr ? x : x + simd::load(added.mask + c);
}

}  // namespace
}  // namespace vitq::rows
