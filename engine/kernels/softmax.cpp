#include "engine/kernels/softmax.h"

#include <algorithm>
#include <limits>

#include "engine/error.h"
#include "engine/kernels/dispatch.h"
#include "engine/threads.h"

namespace vitq {

namespace {

void check_layout(const Tensor& rows, std::int64_t stride, const char* who) {
  check(rows.rank == 2 && rows.strides[0] == stride && rows.strides[1] == 1, who, " no matrix with rows padded to ",
        stride);
}

rows::ScoreTerms checked(const ScoreTerms& terms, std::int64_t columns) {
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
rows::Softmax describe(const Tensor& scores, float scale, const ScoreTerms& terms) {
  check(scores.encoding == kFloat, "softmax: expected f32 scores, found ", name_of(scores.encoding.dtype));
  const std::int64_t stride = padded_columns(scores.columns());
  check_layout(scores, stride, "softmax: scores are");
  return {.scores = scores.f32(),
          .terms = checked(terms, scores.columns()),
          .columns = scores.columns(),
          .stride = stride,
          .scale = scale,
          .bf16 = nullptr,
          .bf16_stride = 0};
}

constexpr std::int64_t kGrain = 64;  // rows that are worth a thread

}  // namespace

void softmax(const Tensor& scores, float scale, const ScoreTerms& terms) {
  const rows::Softmax all = describe(scores, scale, terms);
  const auto kernel = kernels().softmax;
  parallel_for(scores.rows(), kGrain, [&](std::int64_t begin, std::int64_t end) { kernel(all, begin, end); });
}

void softmax_bf16(const Tensor& scores, float scale, const Tensor& probabilities, const ScoreTerms& terms) {
  rows::Softmax all = describe(scores, scale, terms);
  const std::int64_t stride = padded_probabilities(all.columns);
  check(probabilities.encoding == kBfloat16 && probabilities.dims == scores.dims,
        "softmax_bf16: expected bf16 probabilities of the shape of the scores, found ",
        name_of(probabilities.encoding.dtype));
  check_layout(probabilities, stride, "softmax_bf16: probabilities are");
  all.bf16 = probabilities.bf16();
  all.bf16_stride = stride;
  const auto kernel = kernels().softmax_bf16;
  parallel_for(scores.rows(), kGrain, [&](std::int64_t begin, std::int64_t end) { kernel(all, begin, end); });
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
  const rows::SoftmaxCodes all{.scores = scores.s32(),
                               .codes = codes.u8(),
                               .row_sums = row_sums.data(),
                               .terms = checked(terms, columns),
                               .table = levels.even() ? nullptr : levels.table().data(),
                               .steps = levels.steps().empty() ? nullptr : levels.steps().data(),
                               .columns = columns,
                               .stride = padded_columns(columns),
                               .codes_stride = padded_levels(columns),
                               .scale = scale,
                               .least_power = rows::kLeastPower};
  const auto kernel = kernels().softmax_codes;
  parallel_for(scores.rows(), kGrain, [&](std::int64_t begin, std::int64_t end) { kernel(all, begin, end); });
}

}  // namespace vitq
