#include "engine/gemm/byte_tiles.h"

#include <immintrin.h>

#include <cstring>

namespace vitq::byte_tiles {

namespace {

// Rows of a tile. With six, twelve of the sixteen registers are sums.
constexpr std::int64_t kRows = 6;

// Eight outputs, two inputs each.
inline __m256i widened(const std::int8_t* codes) {
  return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes)));
}

inline __m256i broadcast(const std::int16_t* pair) {
  std::int32_t both = 0;
  std::memcpy(&both, pair, sizeof(both));
  return _mm256_set1_epi32(both);
}

inline void store(std::int32_t* to, __m256i sums) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), sums); }

template <int kCount>
void tile(const std::int16_t* src, std::int64_t pairs, const std::int8_t* codes, std::int64_t outputs,
          std::int32_t* dst, std::int64_t dst_stride) {
  constexpr std::int64_t kHalf = kOutputs / 2;
  __m256i low[kCount];
  __m256i high[kCount];
#pragma GCC unroll 8
  for (int r = 0; r < kCount; ++r) low[r] = high[r] = _mm256_setzero_si256();
  for (std::int64_t p = 0; p < pairs; ++p) {
    const __m256i first = widened(codes + p * 2 * kOutputs);
    const __m256i second = widened(codes + p * 2 * kOutputs + 2 * kHalf);
#pragma GCC unroll 8
    for (int r = 0; r < kCount; ++r) {
      const __m256i pair = broadcast(src + (r * pairs + p) * 2);
      low[r] = _mm256_add_epi32(low[r], _mm256_madd_epi16(pair, first));
      high[r] = _mm256_add_epi32(high[r], _mm256_madd_epi16(pair, second));
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kCount; ++r) {
    std::int32_t* to = dst + r * dst_stride;
    if (outputs == kOutputs) {
      store(to, low[r]);
      store(to + kHalf, high[r]);
    } else {
      std::int32_t all[kOutputs];
      store(all, low[r]);
      store(all + kHalf, high[r]);
      std::memcpy(to, all, static_cast<std::size_t>(outputs) * sizeof(std::int32_t));
    }
  }
}

template <int kCount>
void tile_of(std::int64_t count, const std::int16_t* src, std::int64_t pairs, const std::int8_t* codes,
             std::int64_t outputs, std::int32_t* dst, std::int64_t dst_stride) {
  if constexpr (kCount > 1) {
    if (count < kCount) return tile_of<kCount - 1>(count, src, pairs, codes, outputs, dst, dst_stride);
  }
  tile<kCount>(src, pairs, codes, outputs, dst, dst_stride);
}

}  // namespace

void multiply(const std::int16_t* src, std::int64_t rows, std::int64_t pairs, const std::int8_t* codes,
              std::int64_t outputs, std::int32_t* dst, std::int64_t dst_stride) {
  for (std::int64_t row = 0; row < rows; row += kRows) {
    tile_of<kRows>(rows - row, src + row * 2 * pairs, pairs, codes, outputs, dst + row * dst_stride, dst_stride);
  }
}

}  // namespace vitq::byte_tiles
