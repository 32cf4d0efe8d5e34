#pragma once
// engine/kernels/rotate.h, row by row.

#include "engine/kernels/simd.h"

namespace vitq::rows {
namespace {

[[gnu::always_inline]] inline void rotate_halves(float* x, const float* cosine, const float* sine, std::int64_t half) {
  simd::for_vectors(half, [&](std::int64_t c, auto lanes) {
    const simd::Floats low = simd::load(x + c, lanes);
    const simd::Floats high = simd::load(x + half + c, lanes);
    const auto turned = [&](simd::Floats own, simd::Floats other, std::int64_t at) {
      return simd::fma(own, simd::load(cosine + at, lanes), other * simd::load(sine + at, lanes));
    };
    simd::store(turned(low, high, c), x + c, lanes);
    simd::store(turned(high, low, half + c), x + half + c, lanes);
  });
}

[[gnu::always_inline]] inline void rotate_pairs(float* x, const float* cosine, const float* sine, std::int64_t width) {
  simd::for_vectors(width, [&](std::int64_t c, auto lanes) {
    const simd::Floats own = simd::load(x + c, lanes);
    const simd::Floats other = simd::neighbours_of(own) * simd::load(sine + c, lanes);
    simd::store(simd::fma(own, simd::load(cosine + c, lanes), other), x + c, lanes);
  });
}

void rotate(const Rotate& all, std::int64_t begin, std::int64_t end) {
  for (std::int64_t i = begin; i < end; ++i) {
    const std::int64_t patch = (all.first_row + i) % all.tokens - all.prefix;
    if (patch < 0) continue;
    const float* cosine = all.cosine + patch * all.head_dim;
    const float* sine = all.sine + patch * all.head_dim;
    for (std::int64_t h = 0; h < all.heads; ++h) {
      float* x = all.x + i * all.stride + h * all.head_dim;
      if (all.pairs_neighbours) {
        rotate_pairs(x, cosine, sine, all.head_dim);
      } else {
        rotate_halves(x, cosine, sine, all.head_dim / 2);
      }
    }
  }
}

}  // namespace
}  // namespace vitq::rows
