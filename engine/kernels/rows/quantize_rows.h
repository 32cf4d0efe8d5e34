#pragma once
// engine/kernels/requantize.h, quantize_rows, row by row.

#include "engine/kernels/rows/codes.h"

namespace vitq::rows {
namespace {

void quantize_rows(const QuantizeRows& all, std::int64_t begin, std::int64_t end) {
  for (std::int64_t i = begin; i < end; ++i) {
    const float* src = all.src + i * all.src_stride;
    std::uint8_t* dst = all.dst + i * all.dst_stride;
    simd::Floats least = simd::splat(0.0F);
    simd::Floats most = simd::splat(0.0F);
    simd::for_vectors(all.columns, [&](std::int64_t c, auto lanes) {
      const simd::Floats x = simd::load(src + c, lanes);  // a part is filled up with 0
      most = simd::larger(x, most);
      least = simd::larger(x * -1.0F, least);
    });
    const float above = simd::max(most) * all.above;
    const float below = simd::max(least) * all.below;
    const float scale = simd::larger(simd::larger(above, below), all.least_scale);
    all.scales[i] = scale;
    Codes codes = all.codes;
    codes.inverse = 1.0F / scale;
    simd::for_vectors(all.columns, [&](std::int64_t c, auto lanes) {
      store_codes(simd::load(src + c, lanes), codes, dst + c, lanes);
    });
  }
}

}  // namespace
}  // namespace vitq::rows
