#include "engine/kernels/layer_norm.h"

#include "engine/error.h"
#include "engine/kernels/dispatch.h"
#include "engine/threads.h"

namespace vitq {

namespace {

// What both have in common: the checks, and where everything lies.
rows::LayerNorm describe(const Tensor& src, std::span<const float> gamma, std::span<const float> beta, NormKind kind,
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
          .eps = kind.eps,
          .is_centred = kind.is_centred,
          .least = 0.0F,
          .most = 0.0F};
}

constexpr std::int64_t kGrain = 16;  // rows that are worth a thread

}  // namespace

void layer_norm(const Tensor& src, std::span<const float> gamma, std::span<const float> beta, NormKind kind,
                const Tensor& dst, std::span<const std::int32_t> from) {
  const bool rounds = dst.encoding == kBfloat16;
  check(src.encoding == kFloat && (rounds || dst.encoding == kFloat), "layer_norm: expected f32 -> f32 or bf16, found ",
        name_of(src.encoding.dtype), " -> ", name_of(dst.encoding.dtype));
  const rows::LayerNorm all = describe(src, gamma, beta, kind, dst, from);
  const auto kernel = rounds ? kernels().layer_norm_bf16 : kernels().layer_norm;
  parallel_for(dst.rows(), kGrain, [&](std::int64_t begin, std::int64_t end) { kernel(all, begin, end); });
}

void add_layer_norm(const Tensor& src, std::span<const float> gamma, std::span<const float> beta, NormKind kind,
                    const Tensor& dst) {
  check(src.encoding == kFloat && dst.encoding == kFloat, "add_layer_norm: expected f32 -> f32, found ",
        name_of(src.encoding.dtype), " -> ", name_of(dst.encoding.dtype));
  const rows::LayerNorm all = describe(src, gamma, beta, kind, dst, {});
  const auto kernel = kernels().layer_norm_added;
  parallel_for(dst.rows(), kGrain, [&](std::int64_t begin, std::int64_t end) { kernel(all, begin, end); });
}

void layer_norm_codes(const Tensor& src, std::span<const float> gain, std::span<const float> shift, NormKind kind,
                      const Tensor& dst, std::span<const std::int32_t> from) {
  check(src.encoding == kFloat && dst.encoding.dtype == DType::kU8, "layer_norm_codes: expected f32 -> u8, found ",
        name_of(src.encoding.dtype), " -> ", name_of(dst.encoding.dtype));
  check(dst.encoding.code_book == nullptr, "layer_norm_codes: expected evenly spaced codes, found ", dst.encoding);
  rows::LayerNorm all = describe(src, gain, shift, kind, dst, from);
  all.most = static_cast<float>(dst.encoding.most_code());
  const auto kernel = kernels().layer_norm_codes;
  parallel_for(dst.rows(), kGrain, [&](std::int64_t begin, std::int64_t end) { kernel(all, begin, end); });
}

}  // namespace vitq
