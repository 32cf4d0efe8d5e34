#include "engine/softmax.h"

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

[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]] void softmax_rows(const Rows& all,
                                                                                        std::int64_t begin,
                                                                                        std::int64_t end) {
  for (std::int64_t i = begin; i < end; ++i) {
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
    const float inverse = 1.0F / simd::sum(sums);
    for (std::int64_t c = 0; c < all.stride; ++c) x[c] *= inverse;
  }
}

}  // namespace

void softmax(const Tensor& scores, float scale, std::span<const float> bias, std::span<const float> mask) {
  check(scores.encoding == kFloat && scores.rank == 4, "softmax: expected f32 scores of rank 4, found ",
        name_of(scores.encoding.dtype), " of rank ", scores.rank);
  const auto [groups, heads, rows, columns] = scores.dims;
  const std::int64_t stride = padded_columns(columns);
  check(scores.strides == decltype(scores.strides){heads * rows * stride, rows * stride, stride, 1},
        "softmax: scores are not dense with rows padded to ", stride);
  check(bias.empty() || std::ssize(bias) == heads * rows * stride, "softmax: bias has ", bias.size(),
        " elements, expected ", heads * rows * stride);
  check(std::ssize(mask) % (rows * stride) == 0, "softmax: mask has ", mask.size(),
        " elements, expected a multiple of ", rows * stride);
  const Rows all{.scores = scores.f32(),
                 .bias = bias.empty() ? nullptr : bias.data(),
                 .mask = mask.empty() ? nullptr : mask.data(),
                 .heads = heads,
                 .rows = rows,
                 .columns = columns,
                 .stride = stride,
                 .masks = std::ssize(mask) / (rows * stride),
                 .scale = scale};
  parallel_for(groups * heads * rows, 64, [&](std::int64_t begin, std::int64_t end) { softmax_rows(all, begin, end); });
}

}  // namespace vitq
