#include "engine/layer_norm.h"

#include <cmath>

#include "engine/error.h"
#include "engine/simd.h"
#include "engine/threads.h"

namespace vitq {

namespace {

struct Rows {
  const float* src;
  float* dst;
  const float* gamma;
  const float* beta;
  const std::int32_t* from;
  std::int64_t dim, src_stride, dst_stride;
  float eps;
};

// The tail of a row (dim is a multiple of 16 in every published model) is summed after the lanes.
[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]] void layer_norm_rows(const Rows& rows,
                                                                                           std::int64_t begin,
                                                                                           std::int64_t end) {
  const std::int64_t dim = rows.dim;
  const std::int64_t whole = dim - dim % simd::kLanes;
  for (std::int64_t i = begin; i < end; ++i) {
    const float* x = rows.src + (rows.from != nullptr ? rows.from[i] : i) * rows.src_stride;
    float* y = rows.dst + i * rows.dst_stride;
    simd::Floats lanes;
    simd::Floats sums{};
    for (std::int64_t c = 0; c < whole; c += simd::kLanes) {
      simd::load(x + c, lanes);
      sums += lanes;
    }
    float total = simd::sum(sums);
    for (std::int64_t c = whole; c < dim; ++c) total += x[c];
    const float mean = total / static_cast<float>(dim);

    sums = simd::Floats{};
    for (std::int64_t c = 0; c < whole; c += simd::kLanes) {
      simd::load(x + c, lanes);
      lanes -= mean;
      sums += lanes * lanes;
    }
    float squares = simd::sum(sums);
    for (std::int64_t c = whole; c < dim; ++c) squares += (x[c] - mean) * (x[c] - mean);
    const float inverse = 1.0F / std::sqrt(squares / static_cast<float>(dim) + rows.eps);
    for (std::int64_t c = 0; c < dim; ++c) y[c] = (x[c] - mean) * inverse * rows.gamma[c] + rows.beta[c];
  }
}

}  // namespace

void layer_norm(const Tensor& src, std::span<const float> gamma, std::span<const float> beta, float eps,
                const Tensor& dst, std::span<const std::int32_t> from) {
  const std::int64_t dim = src.columns();
  check(src.encoding == kFloat && dst.encoding == kFloat, "layer_norm: expected f32, found ",
        name_of(src.encoding.dtype), " -> ", name_of(dst.encoding.dtype));
  check(dst.columns() == dim && std::ssize(gamma) == dim && std::ssize(beta) == dim, "layer_norm: source has ", dim,
        " columns, destination ", dst.columns(), ", gamma ", gamma.size(), ", beta ", beta.size());
  check(dst.rows() == (from.empty() ? src.rows() : std::ssize(from)), "layer_norm: destination has ", dst.rows(),
        " rows, expected ", from.empty() ? src.rows() : std::ssize(from));
  const Rows rows{src.f32(), dst.f32(),      gamma.data(),   beta.data(), from.empty() ? nullptr : from.data(),
                  dim,       src.strides[0], dst.strides[0], eps};
  parallel_for(dst.rows(), 16, [&](std::int64_t begin, std::int64_t end) { layer_norm_rows(rows, begin, end); });
}

}  // namespace vitq
