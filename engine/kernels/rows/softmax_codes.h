#pragma once
// Softmax of integers (engine/kernels/softmax.h), row by row.

#include "engine/kernels/rows/scores.h"

namespace vitq::rows {
namespace {

using simd::Floats;
using simd::Ints;

// One row of scores.
struct ScoreRow {
  const std::int32_t* scores;
  Added added;
  float scale;
};

// All bits set in the lanes that are columns and not padding.
[[gnu::always_inline]] inline Ints among(simd::Part lanes) {
  constexpr std::int32_t kIndex[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return simd::load(kIndex) < static_cast<std::int32_t>(lanes.count);
}

// `x` in the columns; in the padding, of whatever a row has there, `other`. Both are vectors.
template <class Vector>
[[gnu::always_inline]] inline Vector columns_of(Vector x, Vector /*other*/, simd::Whole /*lanes*/) {
  return x;
}
template <class Vector>
[[gnu::always_inline]] inline Vector columns_of(Vector x, Vector other, simd::Part lanes) {
  return simd::select(among(lanes), x, other);
}

[[gnu::always_inline]] inline Floats scaled_scores(const ScoreRow& row, std::int64_t c) {
  return scaled(simd::converted(simd::load(row.scores + c)), row.scale, row.added, c);
}

// The largest of a row: of its scores where nothing is added to them, else of what they become.
struct Largest {
  std::int32_t score;
  float value;
};

template <bool kPlain>
[[gnu::always_inline]] inline Largest largest_of(const ScoreRow& row, std::int64_t columns) {
  if constexpr (kPlain) {
    Ints most = Ints{} + INT32_MIN;
    simd::for_vectors(columns, [&](std::int64_t c, auto lanes) {
      most = simd::larger(columns_of(simd::load(row.scores + c), most, lanes), most);
    });
    return {.score = simd::max(most), .value = 0.0F};
  } else {
    Floats most = simd::splat(-__builtin_inff());
    simd::for_vectors(columns, [&](std::int64_t c, auto lanes) {
      most = simd::larger(columns_of(scaled_scores(row, c), most, lanes), most);
    });
    return {.score = 0, .value = simd::max(most)};
  }
}

// `scale` times sixteen of a row's values less the largest; 0 behind the columns.
template <bool kPlain, class Lanes>
[[gnu::always_inline]] inline Floats below_largest(const ScoreRow& row, std::int64_t c, const Largest& largest,
                                                   float scale, Lanes lanes) {
  if constexpr (kPlain) {
    return simd::converted(columns_of(simd::load(row.scores + c) - largest.score, Ints{}, lanes)) * (row.scale * scale);
  } else {
    return columns_of(scaled_scores(row, c) - largest.value, Floats{}, lanes) * scale;
  }
}

// The table's index of exp(x).
[[gnu::always_inline]] inline Ints indices_of(Floats x) {
  constexpr float kMost = kLevelTable - 1;
  // bias may hold NaN, which must not lead out of the table.
  return simd::round(simd::clamp(0.0F, kMost, simd::exp_of_negative(x) * kMost));
}

// The codes of all steps that x has reached.
[[gnu::always_inline]] inline Ints climb(const Step* steps, std::int32_t ground, Floats x) {
  Ints codes = (x >= steps[0].from) & steps[0].rise;
#pragma GCC unroll 15
  for (std::int64_t i = 1; i < kSteps; ++i) codes += (x >= steps[i].from) & steps[i].rise;
  return codes + ground;  // not first: GCC 12 puts a vector of it together lane by lane
}

// codes[i] = table[indices[i]]; returns their sum. The codes are not read back as a vector: that would wait for sixteen
// stores of a byte.
template <class Lanes>
[[gnu::always_inline]] inline std::int32_t look_up_levels(const std::uint8_t* table, Ints indices, Lanes lanes,
                                                          std::uint8_t* codes) {
  std::int32_t index[simd::kLanes];
  simd::write(indices, index, simd::Whole{});
  std::int32_t total = 0;
  for (std::int64_t i = 0; i < lanes.count; ++i) total += codes[i] = table[index[i]];
  return total;
}

enum class By { kRounding, kStepCount, kTable };  // how x becomes a code

template <bool kPlain, By kBy>
[[gnu::always_inline]] inline std::int32_t row_of_codes(const ScoreRow& row, const SoftmaxCodes& all,
                                                        std::uint8_t* codes) {
  constexpr float kLog2E = 1.44269504F;
  constexpr float kScale = kBy == By::kRounding ? kLog2E : 1.0F;
  const Largest largest = largest_of<kPlain>(row, all.columns);
  const std::uint8_t* table = all.table;
  const Step* steps = all.steps;
  const float least_power = all.least_power;
  Ints sums{};
  std::int32_t total = 0;
  simd::for_vectors(all.columns, [&](std::int64_t c, auto lanes) {
    const Floats x = below_largest<kPlain>(row, c, largest, kScale, lanes);
    if constexpr (kBy == By::kTable) {
      total += look_up_levels(table, indices_of(x), lanes, codes + c);
    } else {
      Ints code{};
      if constexpr (kBy == By::kStepCount) code = climb(steps, table[0], x);
      if constexpr (kBy == By::kRounding) code = simd::codes_of_power(x, least_power);
      code = columns_of(code, Ints{}, lanes);
      sums += code;
      simd::store_bytes(code, codes + c);  // a part as well: the padding is 0
    }
  });
  const std::int64_t written = kBy == By::kTable ? all.columns : all.stride;
  std::memset(codes + written, 0, all.codes_stride - written);
  return total + simd::sum(sums);
}

template <By kBy>
[[gnu::always_inline]] inline std::int32_t row_of_codes(const ScoreRow& row, const SoftmaxCodes& all,
                                                        std::uint8_t* codes) {
  const bool is_plain = row.added.bias == nullptr && row.added.mask == nullptr;
  return is_plain ? row_of_codes<true, kBy>(row, all, codes) : row_of_codes<false, kBy>(row, all, codes);
}

void softmax_codes(const SoftmaxCodes& all, std::int64_t begin, std::int64_t end) {
  HeadRow place = row_of(all.terms, begin);
  for (std::int64_t i = begin; i < end; ++i, place.next()) {
    const ScoreRow row{all.scores + i * all.stride, added_to(all.terms, place), all.scale};
    std::uint8_t* codes = all.codes + i * all.codes_stride;
    std::int32_t& sum = all.row_sums[i];
    if (all.table == nullptr) {
      sum = row_of_codes<By::kRounding>(row, all, codes);
    } else if (all.steps != nullptr) {
      sum = row_of_codes<By::kStepCount>(row, all, codes);
    } else {
      sum = row_of_codes<By::kTable>(row, all, codes);
    }
  }
}

}  // namespace
}  // namespace vitq::rows
