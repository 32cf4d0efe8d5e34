#include "engine/kernels/layer_norm.h"

#include <cmath>

#include "engine/error.h"
#include "engine/kernels/simd.h"
#include "engine/threads.h"

namespace vitq {

namespace {

struct Rows {
  const float* src;
  void* dst;
  const float* gamma;
  const float* beta;
  const std::int32_t* from;
  std::int64_t dim, src_stride, dst_stride;
  float eps;
  float least, most;  // the codes, where they are written
};

struct Statistics {
  float mean, inverse;  // inverse: of the standard deviation
};

// Sum of (x - mean)^kPower over a row. In two vectors by turns: each would wait for its own last addition. The tail of
// a row (dim is a multiple of 16 in every published model) comes last.
template <int kPower>
[[gnu::always_inline]] inline float sum_of(const float* x, std::int64_t dim, float mean) {
  simd::Floats sums[2]{};
  simd::Floats lanes;
  std::int64_t c = 0;
  for (; c + 2 * simd::kLanes <= dim; c += 2 * simd::kLanes) {
    for (int i = 0; i < 2; ++i) {
      simd::load(x + c + i * simd::kLanes, lanes);
      lanes -= mean;
      sums[i] += kPower == 2 ? lanes * lanes : lanes;
    }
  }
  if (c + simd::kLanes <= dim) {
    simd::load(x + c, lanes);
    lanes -= mean;
    sums[0] += kPower == 2 ? lanes * lanes : lanes;
    c += simd::kLanes;
  }
  sums[0] += sums[1];
  float total = simd::sum(sums[0]);
  for (; c < dim; ++c) total += kPower == 2 ? (x[c] - mean) * (x[c] - mean) : x[c] - mean;
  return total;
}

[[gnu::always_inline]] inline Statistics statistics_of(const float* x, std::int64_t dim, float eps) {
  const auto count = static_cast<float>(dim);
  const float mean = sum_of<1>(x, dim, 0.0F) / count;
  return {mean, 1.0F / std::sqrt(sum_of<2>(x, dim, mean) / count + eps)};
}

[[gnu::always_inline]] inline const float* source_row(const Rows& rows, std::int64_t i) {
  return rows.src + (rows.from != nullptr ? rows.from[i] : i) * rows.src_stride;
}

[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]] void layer_norm_rows(const Rows& rows,
                                                                                           std::int64_t begin,
                                                                                           std::int64_t end) {
  for (std::int64_t i = begin; i < end; ++i) {
    const float* x = source_row(rows, i);
    const auto [mean, inverse] = statistics_of(x, rows.dim, rows.eps);
    float* y = static_cast<float*>(rows.dst) + i * rows.dst_stride;
    for (std::int64_t c = 0; c < rows.dim; ++c) y[c] = (x[c] - mean) * inverse * rows.gamma[c] + rows.beta[c];
  }
}

[[gnu::always_inline]] inline void normalised(const float* x, const float* gamma, const float* beta,
                                              const Statistics& row, simd::Floats& y) {
  simd::Floats term;
  simd::load(x, y);
  simd::load(gamma, term);
  y = (y - row.mean) * row.inverse * term;
  simd::load(beta, term);
  y += term;
}

[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]] void layer_norm_bf16_rows(const Rows& rows,
                                                                                                std::int64_t begin,
                                                                                                std::int64_t end) {
  for (std::int64_t i = begin; i < end; ++i) {
    const float* x = source_row(rows, i);
    const Statistics row = statistics_of(x, rows.dim, rows.eps);
    std::uint16_t* to = static_cast<std::uint16_t*>(rows.dst) + i * rows.dst_stride;
    simd::Floats y;
    std::int64_t c = 0;
    for (; c + simd::kLanes <= rows.dim; c += simd::kLanes) {
      normalised(x + c, rows.gamma + c, rows.beta + c, row, y);
      simd::store_bf16(y, to + c);
    }
    const std::int64_t rest = rows.dim - c;
    if (rest == 0) continue;
    float tail[simd::kLanes]{};
    for (std::int64_t t = 0; t < rest; ++t) {
      tail[t] = (x[c + t] - row.mean) * row.inverse * rows.gamma[c + t] + rows.beta[c + t];
    }
    simd::load(tail, y);
    std::uint16_t halves[simd::kLanes];
    simd::store_bf16(y, halves);
    std::memcpy(to + c, halves, rest * sizeof(std::uint16_t));
  }
}

[[gnu::always_inline]] inline void store_codes(const float* x, const float* gain, const float* shift,
                                               const Statistics& row, const Rows& rows, std::uint8_t* to) {
  simd::Floats y;
  simd::Ints code;
  normalised(x, gain, shift, row, y);
  simd::clamp(rows.least, rows.most, y);
  simd::round(y, code);
  simd::store_bytes(code, to);
}

[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]] void layer_norm_code_rows(const Rows& rows,
                                                                                                std::int64_t begin,
                                                                                                std::int64_t end) {
  for (std::int64_t i = begin; i < end; ++i) {
    const float* x = source_row(rows, i);
    const Statistics row = statistics_of(x, rows.dim, rows.eps);
    std::uint8_t* y = static_cast<std::uint8_t*>(rows.dst) + i * rows.dst_stride;
    std::int64_t c = 0;
    for (; c + simd::kLanes <= rows.dim; c += simd::kLanes) {
      store_codes(x + c, rows.gamma + c, rows.beta + c, row, rows, y + c);
    }
    const std::int64_t rest = rows.dim - c;
    if (rest == 0) continue;
    float tail[3][simd::kLanes]{};
    std::uint8_t codes[simd::kLanes];
    std::memcpy(tail[0], x + c, rest * sizeof(float));
    std::memcpy(tail[1], rows.gamma + c, rest * sizeof(float));
    std::memcpy(tail[2], rows.beta + c, rest * sizeof(float));
    store_codes(tail[0], tail[1], tail[2], row, rows, codes);
    std::memcpy(y + c, codes, rest);
  }
}

// What both have in common: the checks, and where everything lies.
Rows describe(const Tensor& src, std::span<const float> gamma, std::span<const float> beta, float eps,
              const Tensor& dst, std::span<const std::int32_t> from) {
  const std::int64_t dim = src.columns();
  check(dst.columns() == dim && std::ssize(gamma) == dim && std::ssize(beta) == dim, "layer_norm: source has ", dim,
        " columns, destination ", dst.columns(), ", gamma ", gamma.size(), ", beta ", beta.size());
  check(dst.rows() == (from.empty() ? src.rows() : std::ssize(from)), "layer_norm: destination has ", dst.rows(),
        " rows, expected ", from.empty() ? src.rows() : std::ssize(from));
  return {.src = src.f32(),
          .dst = dst.data,
          .gamma = gamma.data(),
          .beta = beta.data(),
          .from = from.empty() ? nullptr : from.data(),
          .dim = dim,
          .src_stride = src.strides[0],
          .dst_stride = dst.strides[0],
          .eps = eps,
          .least = 0.0F,
          .most = 0.0F};
}

constexpr std::int64_t kGrain = 16;  // rows that are worth a thread

}  // namespace

void layer_norm(const Tensor& src, std::span<const float> gamma, std::span<const float> beta, float eps,
                const Tensor& dst, std::span<const std::int32_t> from) {
  const bool rounds = dst.encoding == kBfloat16;
  check(src.encoding == kFloat && (rounds || dst.encoding == kFloat), "layer_norm: expected f32 -> f32 or bf16, found ",
        name_of(src.encoding.dtype), " -> ", name_of(dst.encoding.dtype));
  const Rows rows = describe(src, gamma, beta, eps, dst, from);
  parallel_for(dst.rows(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    if (rounds) {
      layer_norm_bf16_rows(rows, begin, end);
    } else {
      layer_norm_rows(rows, begin, end);
    }
  });
}

void layer_norm_codes(const Tensor& src, std::span<const float> gain, std::span<const float> shift, float eps,
                      const Tensor& dst, std::span<const std::int32_t> from) {
  check(src.encoding == kFloat && dst.encoding.dtype == DType::kU8, "layer_norm_codes: expected f32 -> u8, found ",
        name_of(src.encoding.dtype), " -> ", name_of(dst.encoding.dtype));
  check(dst.encoding.code_book == nullptr, "layer_norm_codes: expected evenly spaced codes, found ", dst.encoding);
  Rows rows = describe(src, gain, shift, eps, dst, from);
  rows.most = static_cast<float>(dst.encoding.most_code());
  parallel_for(dst.rows(), kGrain,
               [&](std::int64_t begin, std::int64_t end) { layer_norm_code_rows(rows, begin, end); });
}

}  // namespace vitq
