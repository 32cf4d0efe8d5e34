#pragma once
// engine/kernels/layer_norm.h, row by row.

#include "engine/kernels/simd.h"

namespace vitq::rows {
namespace {

struct Statistics {
  float mean, inverse;  // inverse: of the standard deviation
};

// Sum of (x - mean)^kPower over a row. In two vectors by turns: each would wait for its own last addition. The tail of
// a row (dim is a multiple of 16 in every published model) comes last.
template <int kPower>
[[gnu::always_inline]] inline float sum_of(const float* x, std::int64_t dim, float mean) {
  simd::Floats sums[2]{};
  const auto add = [&](std::int64_t c, simd::Floats& to) {
    const simd::Floats lanes = simd::load(x + c) - mean;
    to = kPower == 2 ? simd::fma(lanes, lanes, to) : to + lanes;
  };
  std::int64_t c = 0;
  for (; c + 2 * simd::kLanes <= dim; c += 2 * simd::kLanes) {
    add(c, sums[0]);
    add(c + simd::kLanes, sums[1]);
  }
  if (c + simd::kLanes <= dim) {
    add(c, sums[0]);
    c += simd::kLanes;
  }
  float total = simd::sum(sums[0] + sums[1]);
  for (; c < dim; ++c) {
    const float off = x[c] - mean;
    total = kPower == 2 ? __builtin_fmaf(off, off, total) : total + off;
  }
  return total;
}

[[gnu::always_inline]] inline Statistics statistics_of(const LayerNorm& all, const float* x) {
  const auto count = static_cast<float>(all.dim);
  const float mean = all.is_centred ? sum_of<1>(x, all.dim, 0.0F) / count : 0.0F;
  return {mean, 1.0F / __builtin_sqrtf(sum_of<2>(x, all.dim, mean) / count + all.eps)};
}

// One loop for what it writes: emit(y, column, lanes, row of dst).
template <class T, class Emit>
[[gnu::always_inline]] inline void normalise(const LayerNorm& all, std::int64_t begin, std::int64_t end,
                                             const Emit& emit) {
  const float* gamma = all.gamma;  // not read anew after every store, which might be to `all`
  const float* beta = all.beta;
  for (std::int64_t i = begin; i < end; ++i) {
    const float* x = all.src + (all.from != nullptr ? all.from[i] : i) * all.src_stride;
    const Statistics row = statistics_of(all, x);
    T* to = static_cast<T*>(all.dst) + i * all.dst_stride;
    simd::for_vectors(all.dim, [&](std::int64_t c, auto lanes) {
      const simd::Floats y = (simd::load(x + c, lanes) - row.mean) * row.inverse;
      emit(simd::fma(y, simd::load(gamma + c, lanes), simd::load(beta + c, lanes)), to + c, lanes);
    });
  }
}

void layer_norm(const LayerNorm& all, std::int64_t begin, std::int64_t end) {
  normalise<float>(all, begin, end, [](simd::Floats y, float* to, auto lanes) { simd::store(y, to, lanes); });
}

void layer_norm_added(const LayerNorm& all, std::int64_t begin, std::int64_t end) {
  normalise<float>(all, begin, end,
                   [](simd::Floats y, float* to, auto lanes) { simd::store(simd::load(to, lanes) + y, to, lanes); });
}

void layer_norm_bf16(const LayerNorm& all, std::int64_t begin, std::int64_t end) {
  normalise<std::uint16_t>(all, begin, end,
                           [](simd::Floats y, std::uint16_t* to, auto lanes) { simd::store_bf16(y, to, lanes); });
}

void layer_norm_codes(const LayerNorm& all, std::int64_t begin, std::int64_t end) {
  normalise<std::uint8_t>(all, begin, end, [&all](simd::Floats y, std::uint8_t* to, auto lanes) {
    simd::store_bytes(simd::round(simd::clamp(all.least, all.most, y)), to, lanes);
  });
}

}  // namespace
}  // namespace vitq::rows
