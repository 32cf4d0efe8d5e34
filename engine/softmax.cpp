#include "engine/softmax.h"

#include <algorithm>
#include <limits>

#include "engine/error.h"
#include "engine/simd.h"
#include "engine/threads.h"

namespace vitq {

namespace {

struct Rows {
  float* scores;
  const float* bias;  // null or [heads, rows, stride]
  const float* mask;  // null or [masks, rows, stride]
  std::int64_t heads, rows, columns, stride, masks;
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
[[gnu::always_inline]] inline float exponentials_of_row(const Rows& all, std::int64_t i) {
  float* x = all.scores + i * all.stride;
  const float* bias = all.bias == nullptr ? nullptr : all.bias + i % (all.heads * all.rows) * all.stride;
  const std::int64_t group = i / (all.heads * all.rows);
  const float* mask =
      all.mask == nullptr ? nullptr : all.mask + (group % all.masks * all.rows + i % all.rows) * all.stride;
  const float most = scale_and_add(x, all, bias, mask);
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
  for (std::int64_t i = begin; i < end; ++i) {
    const float inverse = 1.0F / exponentials_of_row(all, i);
    float* x = all.scores + i * all.stride;
    for (std::int64_t c = 0; c < all.stride; ++c) x[c] *= inverse;
  }
}

[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]] void softmax_bf16_rows(
    const Rows& all, std::uint16_t* dst, std::int64_t dst_stride, std::int64_t begin, std::int64_t end) {
  for (std::int64_t i = begin; i < end; ++i) {
    const float inverse = 1.0F / exponentials_of_row(all, i);
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
  const float* bias;  // null or [heads, rows, stride]
  const float* mask;  // null or [masks, rows, stride]
  const SoftmaxLevels* levels;
  std::int64_t heads, rows, columns, stride, codes_stride, masks;
  float scale;
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

// Sixteen scores less the largest of their row; 0 where not `among` the columns, whatever lies there.
template <bool kPlain>
[[gnu::always_inline]] inline void below_largest(const CodeRow& row, std::int64_t c, std::int32_t most_score,
                                                 float most_value, const simd::Ints& among, simd::Floats& x) {
  if constexpr (kPlain) {
    simd::Ints lanes;
    simd::load(row.scores + c, lanes);
    lanes = among ? lanes - most_score : simd::Ints{};
    x = __builtin_convertvector(lanes, simd::Floats) * row.scale;
  } else {
    scaled_lanes(row, c, x);
    x = among ? x - most_value : simd::Floats{};
  }
}

// round(most exp(x)).
template <bool kPlain>
[[gnu::always_inline]] inline void exponentials(simd::Floats& x, float most, simd::Ints& codes) {
  simd::exp_of_negative(x);
  x *= most;
  if constexpr (!kPlain) simd::clamp(0.0F, most, x);  // bias may hold NaN, which must not lead out of a table
  simd::round(x, codes);
}

// The codes of all steps that x has reached.
[[gnu::always_inline]] inline void climb(const SoftmaxLevels::Step* steps, std::int32_t ground, const simd::Floats& x,
                                         simd::Ints& codes) {
  codes = simd::Ints{} + ground;
#pragma GCC unroll 15
  for (std::int64_t i = 0; i < SoftmaxLevels::kMostSteps; ++i) codes += (x >= steps[i].from) & steps[i].rise;
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

template <bool kPlain, By kBy>
[[gnu::always_inline]] inline std::int32_t row_of_codes(const CodeRow& row, const CodeRows& all, std::uint8_t* codes) {
  const std::int32_t most_score = kPlain ? largest_score(row, all) : 0;
  const float most_value = kPlain ? 0.0F : largest_value(row, all);
  const std::uint8_t* table = all.levels->table().data();
  const SoftmaxLevels::Step* steps = all.levels->steps().data();
  const std::int32_t ground = kBy == By::kStepCount ? table[0] : 0;
  simd::Floats x;
  simd::Ints among;
  simd::Ints sums{};
  std::int32_t total = 0;
  std::int64_t c = 0;
  for (; c < all.columns; c += simd::kLanes) {
    columns_among(c, all.columns, among);
    below_largest<kPlain>(row, c, most_score, most_value, among, x);
    if constexpr (kBy == By::kTable) {
      simd::Ints lanes{};
      exponentials<kPlain>(x, kSoftmaxTable - 1, lanes);
      total += look_up(table, lanes, std::min<std::int64_t>(simd::kLanes, all.columns - c), codes + c);
    } else {
      simd::Ints lanes{};
      if constexpr (kBy == By::kStepCount) {
        climb(steps, ground, x, lanes);
      } else {
        exponentials<kPlain>(x, 255.0F, lanes);
      }
      lanes &= among;
      sums += lanes;
      simd::store_bytes(lanes, codes + c);
    }
  }
  const std::int64_t written = kBy == By::kTable ? all.columns : c;
  std::memset(codes + written, 0, all.codes_stride - written);
  return kBy == By::kTable ? total : simd::sum(sums);
}

template <By kBy>
[[gnu::always_inline]] inline std::int32_t row_of_codes(const CodeRow& row, const CodeRows& all, std::uint8_t* codes) {
  const bool plain = row.bias == nullptr && row.mask == nullptr;
  return plain ? row_of_codes<true, kBy>(row, all, codes) : row_of_codes<false, kBy>(row, all, codes);
}

[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]] void softmax_code_rows(const CodeRows& all,
                                                                                             std::int64_t begin,
                                                                                             std::int64_t end) {
  for (std::int64_t i = begin; i < end; ++i) {
    const std::int64_t group = i / (all.heads * all.rows);
    const CodeRow row{
        .scores = all.scores + i * all.stride,
        .bias = all.bias == nullptr ? nullptr : all.bias + i % (all.heads * all.rows) * all.stride,
        .mask = all.mask == nullptr ? nullptr : all.mask + (group % all.masks * all.rows + i % all.rows) * all.stride,
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

// Dense but for rows padded to `stride`; bias and mask to match.
void check_layout(const Tensor& scores, std::int64_t stride, const char* who) {
  const std::int64_t heads = scores.dims[1];
  const std::int64_t rows = scores.dims[2];
  check(scores.rank == 4 && scores.strides == decltype(scores.strides){heads * rows * stride, rows * stride, stride, 1},
        who, " not dense with rows padded to ", stride);
}

void check_terms(const Tensor& scores, std::span<const float> bias, std::span<const float> mask) {
  const auto [groups, heads, rows, columns] = scores.dims;
  const std::int64_t stride = padded_columns(columns);
  check(bias.empty() || std::ssize(bias) == heads * rows * stride, "softmax: bias has ", bias.size(),
        " elements, expected ", heads * rows * stride);
  check(std::ssize(mask) % (rows * stride) == 0, "softmax: mask has ", mask.size(),
        " elements, expected a multiple of ", rows * stride);
}

// What softmax to f32 and to bf16 have in common: the checks, and where everything lies.
Rows describe(const Tensor& scores, float scale, std::span<const float> bias, std::span<const float> mask) {
  check(scores.encoding == kFloat && scores.rank == 4, "softmax: expected f32 scores of rank 4, found ",
        name_of(scores.encoding.dtype), " of rank ", scores.rank);
  const auto [groups, heads, rows, columns] = scores.dims;
  const std::int64_t stride = padded_columns(columns);
  check_layout(scores, stride, "softmax: scores are");
  check_terms(scores, bias, mask);
  return {.scores = scores.f32(),
          .bias = bias.empty() ? nullptr : bias.data(),
          .mask = mask.empty() ? nullptr : mask.data(),
          .heads = heads,
          .rows = rows,
          .columns = columns,
          .stride = stride,
          .masks = std::ssize(mask) / (rows * stride),
          .scale = scale};
}

constexpr std::int64_t kGrain = 64;  // rows that are worth a thread

}  // namespace

void softmax(const Tensor& scores, float scale, std::span<const float> bias, std::span<const float> mask) {
  const Rows all = describe(scores, scale, bias, mask);
  parallel_for(scores.dims[0] * all.heads * all.rows, kGrain,
               [&](std::int64_t begin, std::int64_t end) { softmax_rows(all, begin, end); });
}

void softmax_bf16(const Tensor& scores, float scale, const Tensor& probabilities, std::span<const float> bias,
                  std::span<const float> mask) {
  const Rows all = describe(scores, scale, bias, mask);
  const std::int64_t stride = padded_probabilities(all.columns);
  check(probabilities.encoding == kBfloat16 && probabilities.dims == scores.dims,
        "softmax_bf16: expected bf16 probabilities of the shape of the scores, found ",
        name_of(probabilities.encoding.dtype));
  check_layout(probabilities, stride, "softmax_bf16: probabilities are");
  parallel_for(scores.dims[0] * all.heads * all.rows, kGrain, [&](std::int64_t begin, std::int64_t end) {
    softmax_bf16_rows(all, probabilities.bf16(), stride, begin, end);
  });
}

void softmax_codes(const Tensor& scores, float scale, const Tensor& codes, const Tensor& row_sums,
                   std::span<const float> bias, std::span<const float> mask, const SoftmaxLevels& levels) {
  check(scores.encoding.dtype == DType::kS32 && codes.encoding.dtype == DType::kU8 &&
            row_sums.encoding.dtype == DType::kS32,
        "softmax_codes: expected s32 -> u8 and s32, found ", name_of(scores.encoding.dtype), " -> ",
        name_of(codes.encoding.dtype), " and ", name_of(row_sums.encoding.dtype));
  const auto [groups, heads, rows, columns] = scores.dims;
  check_layout(scores, padded_columns(columns), "softmax_codes: scores are");
  check_layout(codes, padded_levels(columns), "softmax_codes: codes are");
  check(codes.dims == scores.dims && row_sums.rank == 3 && row_sums.dims[0] * row_sums.dims[1] == groups * heads &&
            row_sums.dims[2] == rows && row_sums.strides[1] == rows && row_sums.strides[0] == heads * rows,
        "softmax_codes: the shapes of scores, codes and row sums differ");
  check_terms(scores, bias, mask);
  check(scale > 0.0F && scale < std::numeric_limits<float>::infinity(), "softmax_codes: scale ", scale,
        ", expected a positive one");
  const CodeRows all{.scores = scores.s32(),
                     .codes = codes.u8(),
                     .row_sums = row_sums.s32(),
                     .bias = bias.empty() ? nullptr : bias.data(),
                     .mask = mask.empty() ? nullptr : mask.data(),
                     .levels = &levels,
                     .heads = heads,
                     .rows = rows,
                     .columns = columns,
                     .stride = padded_columns(columns),
                     .codes_stride = padded_levels(columns),
                     .masks = std::ssize(mask) / (rows * padded_columns(columns)),
                     .scale = scale};
  parallel_for(groups * heads * rows, kGrain,
               [&](std::int64_t begin, std::int64_t end) { softmax_code_rows(all, begin, end); });
}

}  // namespace vitq
