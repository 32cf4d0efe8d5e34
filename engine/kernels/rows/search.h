#pragma once
// engine/kernels/search.h.

#include "engine/kernels/simd.h"

namespace vitq::rows {
namespace {

double rounding_error(const float* values, std::int64_t count, const Grid& grid) {
  constexpr std::int64_t kChunk = 4096;  // summed in float lanes, then added to the double
  constexpr float kRound = 12582912.0F;  // 1.5 * 2^23: adding it rounds to an integer, half to even
  const simd::Floats least = simd::splat(grid.least);
  const simd::Floats most = simd::splat(grid.most);
  double total = 0;
  const std::int64_t whole = count - count % simd::kLanes;
  for (std::int64_t begin = 0; begin < whole; begin += kChunk) {
    const std::int64_t end = begin + kChunk < whole ? begin + kChunk : whole;
    simd::Floats sums{};
    for (std::int64_t i = begin; i < end; i += simd::kLanes) {
      const simd::Floats x = simd::load(values + i);
      simd::Floats code = x * grid.inverse;
      code = simd::larger(least, code);  // NaN stays
      code = simd::smaller(most, code);
      code = (code + kRound) - kRound;
      const simd::Floats error = code * grid.scale - x;
      sums += error * error;
    }
    total += static_cast<double>(simd::sum(sums));
  }
  for (std::int64_t i = whole; i < count; ++i) {
    float code = values[i] * grid.inverse;
    code = code < grid.least ? grid.least : code;
    code = code > grid.most ? grid.most : code;
    code = (code + kRound) - kRound;
    const float error = code * grid.scale - values[i];
    total += static_cast<double>(error * error);
  }
  return total;
}

bool all_finite(const float* values, std::int64_t count) {
  int bad = 0;
  for (std::int64_t i = 0; i < count; ++i) bad |= __builtin_fabsf(values[i]) <= __FLT_MAX__ ? 0 : 1;
  return bad == 0;
}

// sums[0, kVectors) = sum over j of table[indices[j]] * v[j, 0..kVectors * 16).
template <int kVectors>
[[gnu::always_inline]] inline void weighted_sum(const AttentionRow& row, const float* v, simd::Floats* sums) {
  for (int n = 0; n < kVectors; ++n) sums[n] = simd::Floats{};
  for (std::int64_t j = 0; j < row.tokens; ++j) {
    const float weight = row.table[row.indices[j]];
    for (int n = 0; n < kVectors; ++n) sums[n] += simd::load(v + j * row.stride + n * simd::kLanes) * weight;
  }
}

double attention_error(const AttentionRow& row) {
  constexpr std::int64_t kRegisters = 4;
  float total = 0;  // of whole numbers up to 255 each: exact below 2^24, that is up to 65,793 tokens
  for (std::int64_t j = 0; j < row.tokens; ++j) total += row.table[row.indices[j]];
  const float inverse = 1.0F / total;
  simd::Floats squares{};
  for (std::int64_t column = 0; column < row.stride;) {
    simd::Floats sums[kRegisters];
    const std::int64_t left = (row.stride - column) / simd::kLanes;
    const std::int64_t width = left >= kRegisters ? kRegisters : (left >= 2 ? 2 : 1);
    if (width == kRegisters) {
      weighted_sum<kRegisters>(row, row.v + column, sums);
    } else if (width == 2) {
      weighted_sum<2>(row, row.v + column, sums);
    } else {
      weighted_sum<1>(row, row.v + column, sums);
    }
    for (std::int64_t n = 0; n < width; ++n) {
      const simd::Floats difference = simd::load(row.expected + column + n * simd::kLanes) - sums[n] * inverse;
      squares += difference * difference;
    }
    column += width * simd::kLanes;
  }
  return static_cast<double>(simd::sum(squares));
}

[[gnu::always_inline]] inline simd::Floats nearest_level(const NearestPlanes& all, simd::Floats x) {
  simd::Floats nearest = simd::splat(all.levels[0]);
  for (std::int64_t k = 0; k + 1 < all.level_count; ++k) {
    nearest = simd::select(x > all.borders[k], simd::splat(all.levels[k + 1]), nearest);
  }
  return nearest;
}

void nearest_planes(const NearestPlanes& all) {
  constexpr int kVectors = kPlanes / simd::kLanes;
  simd::Floats errors[kVectors]{};
  const float* below = all.below + all.size * (all.size - 1) / 2;
  for (std::int64_t i = all.size - 1; i >= 0; --i) {
    float* row = all.values + i * kPlanes;
    simd::Floats target[kVectors];
    for (int v = 0; v < kVectors; ++v) target[v] = simd::load(row + v * simd::kLanes);
    below -= all.size - 1 - i;  // column i
    const float* before = row + kPlanes;
    for (std::int64_t j = 0; j < all.size - i - 1; ++j) {
      for (int v = 0; v < kVectors; ++v) target[v] += simd::load(before + j * kPlanes + v * simd::kLanes) * below[j];
    }
    for (int v = 0; v < kVectors; ++v) {
      const std::int64_t lane = v * simd::kLanes;
      const simd::Floats lowest = simd::load(all.lowest + lane);
      const simd::Floats highest = simd::load(all.highest + lane);
      simd::Floats x = target[v] * simd::load(all.inverse + lane);
      x = simd::smaller(simd::larger(x, lowest), highest);
      if (all.levels != nullptr) x = nearest_level(all, x);
      const simd::Ints code = simd::round(x);
      if (all.codes != nullptr) simd::store_bytes(code, all.codes + i * kPlanes + lane);
      const simd::Floats value = simd::converted(code) * simd::load(all.scale + lane);
      const simd::Floats left = target[v] - value;
      errors[v] += left * left * all.weight[i];
      simd::store(simd::load(row + lane) - value, row + lane);
    }
  }
  for (int v = 0; v < kVectors; ++v) simd::store(errors[v], all.error + v * simd::kLanes);
}

}  // namespace
}  // namespace vitq::rows
