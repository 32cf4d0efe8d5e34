#pragma once
// engine/kernels/gelu.h, over a range of elements.

#include "engine/kernels/simd.h"

namespace vitq::rows {
namespace {

void gelu(const Gelu& all, std::int64_t begin, std::int64_t end) {
  float* x = all.src + begin;
  simd::for_vectors(end - begin, [&](std::int64_t c, auto lanes) {
    simd::store(simd::gelu(simd::load(x + c, lanes)), x + c, lanes);
  });
}

void gelu_bf16(const Gelu& all, std::int64_t begin, std::int64_t end) {
  const float* x = all.src + begin;
  std::uint16_t* to = all.bf16 + begin;
  simd::for_vectors(end - begin, [&](std::int64_t c, auto lanes) {
    simd::store_bf16(simd::gelu(simd::load(x + c, lanes)), to + c, lanes);
  });
}

}  // namespace
}  // namespace vitq::rows
