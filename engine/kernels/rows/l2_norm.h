#pragma once
// engine/kernels/l2_norm.h, row by row.

#include "engine/kernels/rows/layer_norm.h"

namespace vitq::rows {
namespace {

void l2_norm(const L2Norm& all, std::int64_t begin, std::int64_t end) {
  constexpr float kLeast = 1e-12F;
  const float* lengths = all.lengths;  // not read anew after every store, which might be to `all`
  for (std::int64_t i = begin; i < end; ++i) {
    for (std::int64_t h = 0; h < all.heads; ++h) {
      float* x = all.x + i * all.stride + h * all.head_dim;
      const float length = __builtin_sqrtf(sum_of<2>(x, all.head_dim, 0.0F));
      const float factor = lengths[h] / (length < kLeast ? kLeast : length);
      simd::for_vectors(all.head_dim, [&](std::int64_t c, auto lanes) {
        simd::store(simd::load(x + c, lanes) * factor, x + c, lanes);
      });
    }
  }
}

}  // namespace
}  // namespace vitq::rows
