#include "engine/gemm/byte_tiles.h"

#include <immintrin.h>

#include <cstring>

namespace vitq::byte_tiles {

namespace {

constexpr std::int64_t kHalf = kOutputs / 2;

// Eight outputs, two inputs each.
inline __m256i widened(const std::int8_t* codes) {
  return _mm256_cvtepi8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(codes)));
}

// Four bytes to all lanes.
inline __m256i broadcast(const void* from) {
  std::int32_t bytes = 0;
  std::memcpy(&bytes, from, sizeof(bytes));
  return _mm256_set1_epi32(bytes);
}

inline __m256i load(const void* from) { return _mm256_load_si256(static_cast<const __m256i*>(from)); }

inline void store(std::int32_t* to, __m256i sums) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), sums); }

// Sums of a panel, of which the first `outputs` count.
template <int kCount>
void store_rows(const __m256i (&low)[kCount], const __m256i (&high)[kCount], std::int64_t outputs, std::int32_t* dst,
                std::int64_t dst_stride) {
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
void tile_of_pairs(const std::int16_t* src, std::int64_t pairs, const std::int8_t* codes, std::int64_t outputs,
                   std::int32_t* dst, std::int64_t dst_stride) {
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
  store_rows<kCount>(low, high, outputs, dst, dst_stride);
}

// Pairs of sums of pairs, in 32 bits.
inline __m256i widened_sums(__m256i sums) { return _mm256_madd_epi16(sums, _mm256_set1_epi16(1)); }

template <int kCount>
void tile_of_quads(const std::uint8_t* src, std::int64_t src_stride, std::int64_t quads, const std::int8_t* codes,
                   std::int64_t outputs, std::int32_t* dst, std::int64_t dst_stride) {
  __m256i low[kCount];
  __m256i high[kCount];
#pragma GCC unroll 8
  for (int r = 0; r < kCount; ++r) low[r] = high[r] = _mm256_setzero_si256();
  for (std::int64_t q = 0; q < quads; ++q) {
    const __m256i first = load(codes + q * 4 * kOutputs);
    const __m256i second = load(codes + q * 4 * kOutputs + 4 * kHalf);
#pragma GCC unroll 8
    for (int r = 0; r < kCount; ++r) {
      const __m256i quad = broadcast(src + r * src_stride + q * 4);
      low[r] = _mm256_add_epi32(low[r], widened_sums(_mm256_maddubs_epi16(quad, first)));
      high[r] = _mm256_add_epi32(high[r], widened_sums(_mm256_maddubs_epi16(quad, second)));
    }
  }
  store_rows<kCount>(low, high, outputs, dst, dst_stride);
}

// The same with sums in 16 bits for `steps` quads.
template <int kCount>
void tile_of_narrow_quads(const std::uint8_t* src, std::int64_t src_stride, std::int64_t quads, std::int64_t steps,
                          const std::int8_t* codes, std::int64_t outputs, std::int32_t* dst, std::int64_t dst_stride) {
  alignas(32) std::int32_t sums[kCount][kOutputs] = {};
  for (std::int64_t begin = 0; begin < quads; begin += steps) {
    __m256i low[kCount];
    __m256i high[kCount];
#pragma GCC unroll 8
    for (int r = 0; r < kCount; ++r) low[r] = high[r] = _mm256_setzero_si256();
    const std::int64_t end = begin + steps < quads ? begin + steps : quads;
    for (std::int64_t q = begin; q < end; ++q) {
      const __m256i first = load(codes + q * 4 * kOutputs);
      const __m256i second = load(codes + q * 4 * kOutputs + 4 * kHalf);
#pragma GCC unroll 8
      for (int r = 0; r < kCount; ++r) {
        const __m256i quad = broadcast(src + r * src_stride + q * 4);
        low[r] = _mm256_add_epi16(low[r], _mm256_maddubs_epi16(quad, first));
        high[r] = _mm256_add_epi16(high[r], _mm256_maddubs_epi16(quad, second));
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < kCount; ++r) {
      store(sums[r], _mm256_add_epi32(load(sums[r]), widened_sums(low[r])));
      store(sums[r] + kHalf, _mm256_add_epi32(load(sums[r] + kHalf), widened_sums(high[r])));
    }
  }
  for (int r = 0; r < kCount; ++r) {
    std::memcpy(dst + r * dst_stride, sums[r], static_cast<std::size_t>(outputs) * sizeof(std::int32_t));
  }
}

// Calls tile(a constant) for rows that are fewer than a tile has.
template <int kMost, class Tile>
void with_count(std::int64_t count, const Tile& tile) {
  if constexpr (kMost > 1) {
    if (count < kMost) return with_count<kMost - 1>(count, tile);
  }
  tile.template operator()<kMost>();
}

}  // namespace

void multiply_pairs(const std::int16_t* src, std::int64_t rows, std::int64_t pairs, const std::int8_t* codes,
                    std::int64_t outputs, std::int32_t* dst, std::int64_t dst_stride) {
  constexpr std::int64_t kRows = 6;  // twelve of the sixteen registers are sums
  for (std::int64_t row = 0; row < rows; row += kRows) {
    with_count<kRows>(rows - row, [&]<int kCount>() {
      tile_of_pairs<kCount>(src + row * 2 * pairs, pairs, codes, outputs, dst + row * dst_stride, dst_stride);
    });
  }
}

void multiply_quads(const std::uint8_t* src, std::int64_t src_stride, std::int64_t rows, std::int64_t quads,
                    std::int64_t steps, const std::int8_t* codes, std::int64_t outputs, std::int32_t* dst,
                    std::int64_t dst_stride) {
  constexpr std::int64_t kRows = 4;     // of more GCC 12 keeps sums in memory
  constexpr std::int64_t kWorthIt = 4;  // sums in 16 bits: over two quads they cost more than they save
  for (std::int64_t row = 0; row < rows; row += kRows) {
    const std::uint8_t* from = src + row * src_stride;
    std::int32_t* to = dst + row * dst_stride;
    with_count<kRows>(rows - row, [&]<int kCount>() {
      if (steps < kWorthIt) {
        tile_of_quads<kCount>(from, src_stride, quads, codes, outputs, to, dst_stride);
      } else {
        tile_of_narrow_quads<kCount>(from, src_stride, quads, steps, codes, outputs, to, dst_stride);
      }
    });
  }
}

}  // namespace vitq::byte_tiles
