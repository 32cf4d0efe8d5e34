#include "engine/kernels/gelu.h"

#include "engine/error.h"
#include "engine/kernels/dispatch.h"
#include "engine/threads.h"

namespace vitq {

namespace {

constexpr std::int64_t kGrain = 4096;  // elements that are worth a thread

}  // namespace

void gelu(const Tensor& x) {
  check(x.encoding == kFloat && x.rank == 2 && x.strides[0] == x.columns(), "gelu: expected a dense f32 matrix");
  // Each element by itself: where the ranges are cut does not change any of them.
  const rows::Gelu all{.src = x.f32(), .bf16 = nullptr};
  const auto kernel = kernels().gelu;
  parallel_for(x.rows() * x.columns(), kGrain, [&](std::int64_t begin, std::int64_t end) { kernel(all, begin, end); });
}

void gelu(const Tensor& x, const Tensor& dst) {
  check(x.encoding == kFloat && x.rank == 2 && x.strides[0] == x.columns(), "gelu: expected a dense f32 matrix");
  check(dst.encoding == kBfloat16 && dst.rank == 2 && dst.rows() == x.rows() && dst.columns() == x.columns() &&
            dst.strides[0] == dst.columns(),
        "gelu: expected a dense bf16 matrix [", x.rows(), ", ", x.columns(), "] to write");
  const rows::Gelu all{.src = x.f32(), .bf16 = dst.bf16()};
  const auto kernel = kernels().gelu_bf16;
  parallel_for(x.rows() * x.columns(), kGrain, [&](std::int64_t begin, std::int64_t end) { kernel(all, begin, end); });
}

}  // namespace vitq
