#include "engine/kernels/softmax.h"

#include <algorithm>
#include <limits>

#include "engine/error.h"
#include "engine/kernels/head_row.h"
#include "engine/kernels/simd.h"
#include "engine/threads.h"

namespace vitq {

namespace {

struct Terms {
  const float* bias;                                     // null or [heads, tokens, stride]
  const float* mask;                                     // null or [masks, tokens, stride]
  std::int64_t heads, tokens, stride, masks, first_row;  // masks: 1 where there is none
};

[[gnu::always_inline]] inline HeadRow row_of(const Terms& all, std::int64_t i) {
  return {all.first_row + i, all.masks, all.heads, all.tokens};
}

[[gnu::always_inline]] inline const float* bias_of(const Terms& all, const HeadRow& row) {
  return all.bias == nullptr ? nullptr : all.bias + (row.head() * all.tokens + row.token()) * all.stride;
}

[[gnu::always_inline]] inline const float* mask_of(const Terms& all, const HeadRow& row) {
  return all.mask == nullptr ? nullptr : all.mask + (row.group() * all.tokens + row.token()) * all.stride;
}

struct Rows {
  float* scores;
  Terms terms;
  std::int64_t columns, stride;
  float scale;
};

// Scales one row and adds to it; returns the maximum. The padding becomes -inf, whose exponential is 0.
[[gnu::always_inline]] inline float scale_and_add(float* x, const Rows& all, const float* bias, const float* mask) {
  for (std::int64_t c = all.columns; c < all.stride; ++c) x[c] = -std::numeric_limits<float>::infinity();
  simd::Floats most;
  simd::fill(-std::numeric_limits<float>::infinity(), most);
  for (std::int64_t c = 0; c < all.stride; c += simd::kLanes) {
    simd::Floats lanes;
    simd::Floats term;
    simd::load(x + c, lanes);
    lanes *= all.scale;
    if (bias != nullptr) {
      simd::load(bias + c, term);
      lanes += term;
    }
    if (mask != nullptr) {
      simd::load(mask + c, term);
      lanes += term;
    }
    simd::max_into(lanes, most);
    simd::store(lanes, x + c);
  }
  return simd::max(most);
}

// exp(scores - their maximum) of row i, in place; returns their sum.
[[gnu::always_inline]] inline float exponentials_of_row(const Rows& all, std::int64_t i, const HeadRow& row) {
  float* x = all.scores + i * all.stride;
  const float most = scale_and_add(x, all, bias_of(all.terms, row), mask_of(all.terms, row));
  simd::Floats lanes;
  simd::Floats sums{};
  for (std::int64_t c = 0; c < all.stride; c += simd::kLanes) {
    simd::load(x + c, lanes);
    lanes -= most;
    simd::exp_of_negative(lanes);
    sums += lanes;
    simd::store(lanes, x + c);
  }
  return simd::sum(sums);
}

[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]] void softmax_rows(const Rows& all,
                                                                                        std::int64_t begin,
                                                                                        std::int64_t end) {
  HeadRow row = row_of(all.terms, begin);
  for (std::int64_t i = begin; i < end; ++i, row.next()) {
    const float inverse = 1.0F / exponentials_of_row(all, i, row);
    float* x = all.scores + i * all.stride;
    for (std::int64_t c = 0; c < all.stride; ++c) x[c] *= inverse;
  }
}

[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]] void softmax_bf16_rows(
    const Rows& all, std::uint16_t* dst, std::int64_t dst_stride, std::int64_t begin, std::int64_t end) {
  HeadRow row = row_of(all.terms, begin);
  for (std::int64_t i = begin; i < end; ++i, row.next()) {
    const float inverse = 1.0F / exponentials_of_row(all, i, row);
    const float* x = all.scores + i * all.stride;
    std::uint16_t* to = dst + i * dst_stride;
    simd::Floats lanes;
    for (std::int64_t c = 0; c < all.stride; c += simd::kLanes) {
      simd::load(x + c, lanes);
      lanes *= inverse;
      simd::store_bf16(lanes, to + c);
    }
    std::memset(to + all.stride, 0, (dst_stride - all.stride) * sizeof(std::uint16_t));
  }
}

struct CodeRows {
  const std::int32_t* scores;
  std::uint8_t* codes;
  std::int32_t* row_sums;
  Terms terms;
  const SoftmaxLevels* levels;
  std::int64_t columns, stride, codes_stride;
  float scale, least_power;
};

// One row of it.
struct CodeRow {
  const std::int32_t* scores;
  const float* bias;
  const float* mask;
  float scale;
};

// All bits set in the lanes of vector `c` that are columns and not padding.
[[gnu::always_inline]] inline void columns_among(std::int64_t c, std::int64_t columns, simd::Ints& among) {
  constexpr simd::Ints kIndex = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  among = kIndex < static_cast<std::int32_t>(columns - c);
}

[[gnu::always_inline]] inline void scaled_lanes(const CodeRow& row, std::int64_t c, simd::Floats& x) {
  simd::Floats term;
  simd::load_converted(row.scores + c, x);
  x *= row.scale;
  if (row.bias != nullptr) {
    simd::load(row.bias + c, term);
    x += term;
  }
  if (row.mask != nullptr) {
    simd::load(row.mask + c, term);
    x += term;
  }
}

// The largest score of a row.
[[gnu::always_inline]] inline std::int32_t largest_score(const CodeRow& row, const CodeRows& all) {
  simd::Ints most = simd::Ints{} + std::numeric_limits<std::int32_t>::min();
  simd::Ints lanes;
  simd::Ints among;
  std::int64_t c = 0;
  for (; c + simd::kLanes <= all.columns; c += simd::kLanes) {
    simd::load(row.scores + c, lanes);
    simd::max_into(lanes, most);
  }
  if (c < all.columns) {
    simd::load(row.scores + c, lanes);
    columns_among(c, all.columns, among);
    lanes = among ? lanes : most;
    simd::max_into(lanes, most);
  }
  return simd::max(most);
}

[[gnu::always_inline]] inline float largest_value(const CodeRow& row, const CodeRows& all) {
  simd::Floats most;
  simd::fill(-std::numeric_limits<float>::infinity(), most);
  simd::Floats lanes;
  simd::Ints among;
  for (std::int64_t c = 0; c < all.columns; c += simd::kLanes) {
    scaled_lanes(row, c, lanes);
    columns_among(c, all.columns, among);
    lanes = among ? lanes : most;
    simd::max_into(lanes, most);
  }
  return simd::max(most);
}

// The largest of a row: of its scores where nothing is added to them, else of what they become.
struct Largest {
  std::int32_t score;
  float value;
};

// `scale` times sixteen of a row's values less the largest; in the last vector, not kWhole, 0 behind the columns,
// whatever lies there.
template <bool kPlain, bool kWhole>
[[gnu::always_inline]] inline void below_largest(const CodeRow& row, std::int64_t c, std::int64_t columns,
                                                 const Largest& largest, float scale, simd::Floats& x) {
  simd::Ints among;
  if constexpr (!kWhole) columns_among(c, columns, among);
  if constexpr (kPlain) {
    simd::Ints lanes;
    simd::load(row.scores + c, lanes);
    lanes -= largest.score;
    if constexpr (!kWhole) lanes = among ? lanes : simd::Ints{};
    x = __builtin_convertvector(lanes, simd::Floats) * (row.scale * scale);
  } else {
    scaled_lanes(row, c, x);
    x -= largest.value;
    if constexpr (!kWhole) x = among ? x : simd::Floats{};
    x *= scale;
  }
}

// The table's index of exp(x).
[[gnu::always_inline]] inline void indices_of(simd::Floats& x, simd::Ints& indices) {
  constexpr float kMost = kSoftmaxTable - 1;
  simd::exp_of_negative(x);
  x *= kMost;
  simd::clamp(0.0F, kMost, x);  // bias may hold NaN, which must not lead out of the table
  simd::round(x, indices);
}

// The codes of all steps that x has reached.
[[gnu::always_inline]] inline void climb(const SoftmaxLevels::Step* steps, std::int32_t ground, const simd::Floats& x,
                                         simd::Ints& codes) {
  codes = (x >= steps[0].from) & steps[0].rise;
#pragma GCC unroll 15
  for (std::int64_t i = 1; i < SoftmaxLevels::kMostSteps; ++i) codes += (x >= steps[i].from) & steps[i].rise;
  codes += ground;  // not first: GCC 12 puts a vector of it together lane by lane
}

// codes[i] = table[indices[i]] for `count` lanes; returns their sum. The codes are not read back as a vector: that
// would wait for sixteen stores of a byte.
[[gnu::always_inline]] inline std::int32_t look_up(const std::uint8_t* table, const simd::Ints& indices,
                                                   std::int64_t count, std::uint8_t* codes) {
  std::int32_t index[simd::kLanes];
  std::memcpy(index, &indices, sizeof(index));
  std::int32_t total = 0;
  for (std::int64_t i = 0; i < count; ++i) total += codes[i] = table[index[i]];
  return total;
}

enum class By { kRounding, kStepCount, kTable };  // how x becomes a code

// SoftmaxLevels, as a row needs them.
struct Levels {
  const std::uint8_t* table;
  const SoftmaxLevels::Step* steps;
  float least_power;
};

// Sixteen codes of a row, or the last of it, added to its sum: lane by lane in `sums`, or in `total`.
template <bool kPlain, By kBy, bool kWhole>
[[gnu::always_inline]] inline void vector_of_codes(const CodeRow& row, std::int64_t c, std::int64_t columns,
                                                   const Largest& largest, const Levels& levels, std::uint8_t* codes,
                                                   simd::Ints& sums, std::int32_t& total) {
  constexpr float kLog2E = 1.44269504F;
  simd::Floats x;
  below_largest<kPlain, kWhole>(row, c, columns, largest, kBy == By::kRounding ? kLog2E : 1.0F, x);
  simd::Ints lanes{};
  if constexpr (kBy == By::kTable) {
    indices_of(x, lanes);
    total += look_up(levels.table, lanes, kWhole ? simd::kLanes : columns - c, codes + c);
    return;
  }
  if constexpr (kBy == By::kStepCount) climb(levels.steps, levels.table[0], x, lanes);
  if constexpr (kBy == By::kRounding) simd::codes_of_power(x, levels.least_power, lanes);
  if constexpr (!kWhole) {
    simd::Ints among;
    columns_among(c, columns, among);
    lanes &= among;
  }
  sums += lanes;
  simd::store_bytes(lanes, codes + c);
}

template <bool kPlain, By kBy>
[[gnu::always_inline]] inline std::int32_t row_of_codes(const CodeRow& row, const CodeRows& all, std::uint8_t* codes) {
  const Levels levels{
      .table = all.levels->table().data(), .steps = all.levels->steps().data(), .least_power = all.least_power};
  const std::int64_t columns = all.columns;
  const Largest largest{.score = kPlain ? largest_score(row, all) : 0,
                        .value = kPlain ? 0.0F : largest_value(row, all)};
  simd::Ints sums{};
  std::int32_t total = 0;
  std::int64_t c = 0;
  for (; c + simd::kLanes <= columns; c += simd::kLanes) {
    vector_of_codes<kPlain, kBy, true>(row, c, columns, largest, levels, codes, sums, total);
  }
  if (c < columns) {
    vector_of_codes<kPlain, kBy, false>(row, c, columns, largest, levels, codes, sums, total);
    c = kBy == By::kTable ? columns : c + simd::kLanes;
  }
  std::memset(codes + c, 0, all.codes_stride - c);
  return total + simd::sum(sums);
}

template <By kBy>
[[gnu::always_inline]] inline std::int32_t row_of_codes(const CodeRow& row, const CodeRows& all, std::uint8_t* codes) {
  const bool plain = row.bias == nullptr && row.mask == nullptr;
  return plain ? row_of_codes<true, kBy>(row, all, codes) : row_of_codes<false, kBy>(row, all, codes);
}

[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]] void softmax_code_rows(const CodeRows& all,
                                                                                             std::int64_t begin,
                                                                                             std::int64_t end) {
  HeadRow place = row_of(all.terms, begin);
  for (std::int64_t i = begin; i < end; ++i, place.next()) {
    const CodeRow row{.scores = all.scores + i * all.stride,
                      .bias = bias_of(all.terms, place),
                      .mask = mask_of(all.terms, place),
                      .scale = all.scale};
    std::uint8_t* codes = all.codes + i * all.codes_stride;
    std::int32_t& sum = all.row_sums[i];
    if (all.levels->even()) {
      sum = row_of_codes<By::kRounding>(row, all, codes);
    } else if (!all.levels->steps().empty()) {
      sum = row_of_codes<By::kStepCount>(row, all, codes);
    } else {
      sum = row_of_codes<By::kTable>(row, all, codes);
    }
  }
}

void check_layout(const Tensor& rows, std::int64_t stride, const char* who) {
  check(rows.rank == 2 && rows.strides[0] == stride && rows.strides[1] == 1, who, " no matrix with rows padded to ",
        stride);
}

Terms checked(const ScoreTerms& terms, std::int64_t columns) {
  const std::int64_t stride = padded_columns(columns);
  check(terms.heads > 0 && terms.tokens > 0 && terms.first_row >= 0, "softmax: ", terms.heads, " heads, ", terms.tokens,
        " tokens, from row ", terms.first_row, "; expected positive ones");
  const std::int64_t size = terms.tokens * stride;
  check(terms.bias.empty() || std::ssize(terms.bias) == terms.heads * size, "softmax: bias has ", terms.bias.size(),
        " elements, expected ", terms.heads * size);
  check(std::ssize(terms.mask) % size == 0, "softmax: mask has ", terms.mask.size(),
        " elements, expected a multiple of ", size);
  return {.bias = terms.bias.empty() ? nullptr : terms.bias.data(),
          .mask = terms.mask.empty() ? nullptr : terms.mask.data(),
          .heads = terms.heads,
          .tokens = terms.tokens,
          .stride = stride,
          .masks = std::max<std::int64_t>(1, std::ssize(terms.mask) / size),
          .first_row = terms.first_row};
}

// What softmax to f32 and to bf16 have in common: the checks, and where everything lies.
Rows describe(const Tensor& scores, float scale, const ScoreTerms& terms) {
  check(scores.encoding == kFloat, "softmax: expected f32 scores, found ", name_of(scores.encoding.dtype));
  const std::int64_t stride = padded_columns(scores.columns());
  check_layout(scores, stride, "softmax: scores are");
  return {.scores = scores.f32(),
          .terms = checked(terms, scores.columns()),
          .columns = scores.columns(),
          .stride = stride,
          .scale = scale};
}

constexpr std::int64_t kGrain = 64;  // rows that are worth a thread

}  // namespace

void softmax(const Tensor& scores, float scale, const ScoreTerms& terms) {
  const Rows all = describe(scores, scale, terms);
  parallel_for(scores.rows(), kGrain, [&](std::int64_t begin, std::int64_t end) { softmax_rows(all, begin, end); });
}

void softmax_bf16(const Tensor& scores, float scale, const Tensor& probabilities, const ScoreTerms& terms) {
  const Rows all = describe(scores, scale, terms);
  const std::int64_t stride = padded_probabilities(all.columns);
  check(probabilities.encoding == kBfloat16 && probabilities.dims == scores.dims,
        "softmax_bf16: expected bf16 probabilities of the shape of the scores, found ",
        name_of(probabilities.encoding.dtype));
  check_layout(probabilities, stride, "softmax_bf16: probabilities are");
  parallel_for(scores.rows(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    softmax_bf16_rows(all, probabilities.bf16(), stride, begin, end);
  });
}

void softmax_codes(const Tensor& scores, float scale, const Tensor& codes, std::span<std::int32_t> row_sums,
                   const ScoreTerms& terms, const SoftmaxLevels& levels) {
  check(scores.encoding.dtype == DType::kS32 && codes.encoding.dtype == DType::kU8,
        "softmax_codes: expected s32 -> u8, found ", name_of(scores.encoding.dtype), " -> ",
        name_of(codes.encoding.dtype));
  const std::int64_t columns = scores.columns();
  check_layout(scores, padded_columns(columns), "softmax_codes: scores are");
  check_layout(codes, padded_levels(columns), "softmax_codes: codes are");
  check(codes.dims == scores.dims, "softmax_codes: the shapes of scores and codes differ");
  check(std::ssize(row_sums) == scores.rows(), "softmax_codes: ", row_sums.size(), " row sums for ", scores.rows(),
        " rows");
  check(scale > 0.0F && scale < std::numeric_limits<float>::infinity(), "softmax_codes: scale ", scale,
        ", expected a positive one");
  const CodeRows all{.scores = scores.s32(),
                     .codes = codes.u8(),
                     .row_sums = row_sums.data(),
                     .terms = checked(terms, columns),
                     .levels = &levels,
                     .columns = columns,
                     .stride = padded_columns(columns),
                     .codes_stride = padded_levels(columns),
                     .scale = scale,
                     .least_power = simd::kLeastPower};
  parallel_for(scores.rows(), kGrain,
               [&](std::int64_t begin, std::int64_t end) { softmax_code_rows(all, begin, end); });
}

}  // namespace vitq
