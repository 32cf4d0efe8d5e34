#include "engine/gemm/float_tiles.h"

#include <immintrin.h>

#include <cstring>

namespace vitq::float_tiles {

namespace {

constexpr std::int64_t kHalf = kOutputs / 2;

// A row's sums with what is added to them.
inline void finish(__m256 low, __m256 high, const Store& how, float* to) {
  if (how.bias != nullptr) {
    low = _mm256_add_ps(low, _mm256_loadu_ps(how.bias));
    high = _mm256_add_ps(high, _mm256_loadu_ps(how.bias + kHalf));
  }
  if (how.adds) {
    low = _mm256_add_ps(low, _mm256_loadu_ps(to));
    high = _mm256_add_ps(high, _mm256_loadu_ps(to + kHalf));
  }
  _mm256_storeu_ps(to, low);
  _mm256_storeu_ps(to + kHalf, high);
}

template <int kCount>
void tile(const float* src, std::int64_t src_stride, std::int64_t inputs, const float* weights, std::int64_t outputs,
          const Store& how, float* dst, std::int64_t dst_stride) {
  __m256 low[kCount];
  __m256 high[kCount];
#pragma GCC unroll 8
  for (int r = 0; r < kCount; ++r) low[r] = high[r] = _mm256_setzero_ps();
  for (std::int64_t i = 0; i < inputs; ++i) {
    const __m256 first = _mm256_load_ps(weights + i * kOutputs);
    const __m256 second = _mm256_load_ps(weights + i * kOutputs + kHalf);
#pragma GCC unroll 8
    for (int r = 0; r < kCount; ++r) {
      const __m256 value = _mm256_broadcast_ss(src + r * src_stride + i);
      low[r] = _mm256_fmadd_ps(value, first, low[r]);
      high[r] = _mm256_fmadd_ps(value, second, high[r]);
    }
  }
  const auto whole = static_cast<std::size_t>(outputs) * sizeof(float);
#pragma GCC unroll 8
  for (int r = 0; r < kCount; ++r) {
    float* to = dst + r * dst_stride;
    if (outputs == kOutputs) {
      finish(low[r], high[r], how, to);
    } else {
      float all[kOutputs] = {};
      std::memcpy(all, to, whole);
      finish(low[r], high[r], how, all);
      std::memcpy(to, all, whole);
    }
  }
}

template <int kCount>
void tile_of(std::int64_t count, const float* src, std::int64_t src_stride, std::int64_t inputs, const float* weights,
             std::int64_t outputs, const Store& how, float* dst, std::int64_t dst_stride) {
  if constexpr (kCount > 1) {
    if (count < kCount) {
      return tile_of<kCount - 1>(count, src, src_stride, inputs, weights, outputs, how, dst, dst_stride);
    }
  }
  tile<kCount>(src, src_stride, inputs, weights, outputs, how, dst, dst_stride);
}

}  // namespace

void multiply(const float* src, std::int64_t src_stride, std::int64_t rows, std::int64_t inputs, const float* weights,
              const float* next, std::int64_t outputs, const Store& how, float* dst, std::int64_t dst_stride) {
  constexpr std::int64_t kLine = 16;  // floats; an input of a panel is one cache line
  std::int64_t fetched = 0;
  for (std::int64_t row = 0; row < rows; row += kRows) {
    const std::int64_t done = row + kRows < rows ? row + kRows : rows;
    const std::int64_t until = next == nullptr ? 0 : inputs * done / rows;
    for (; fetched < until; ++fetched) _mm_prefetch(reinterpret_cast<const char*>(next + fetched * kLine), _MM_HINT_T1);
    tile_of<kRows>(rows - row, src + row * src_stride, src_stride, inputs, weights, outputs, how,
                   dst + row * dst_stride, dst_stride);
  }
}

}  // namespace vitq::float_tiles
