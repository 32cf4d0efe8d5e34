#include "engine/kernels/gelu.h"

#include "engine/error.h"
#include "engine/kernels/simd.h"
#include "engine/threads.h"

namespace vitq {

namespace {

[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]] void gelu_range(float* x, std::int64_t begin,
                                                                                      std::int64_t end) {
  simd::Floats lanes;
  std::int64_t i = begin;
  for (; i + simd::kLanes <= end; i += simd::kLanes) {
    simd::load(x + i, lanes);
    simd::gelu(lanes);
    simd::store(lanes, x + i);
  }
  if (i == end) return;
  lanes = simd::Floats{};
  std::memcpy(&lanes, x + i, (end - i) * sizeof(float));
  simd::gelu(lanes);
  std::memcpy(x + i, &lanes, (end - i) * sizeof(float));
}

[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]] void gelu_range_bf16(const float* x,
                                                                                           std::uint16_t* dst,
                                                                                           std::int64_t begin,
                                                                                           std::int64_t end) {
  simd::Floats lanes;
  std::int64_t i = begin;
  for (; i + simd::kLanes <= end; i += simd::kLanes) {
    simd::load(x + i, lanes);
    simd::gelu(lanes);
    simd::store_bf16(lanes, dst + i);
  }
  if (i == end) return;
  lanes = simd::Floats{};
  std::memcpy(&lanes, x + i, (end - i) * sizeof(float));
  simd::gelu(lanes);
  std::uint16_t halves[simd::kLanes];
  simd::store_bf16(lanes, halves);
  std::memcpy(dst + i, halves, (end - i) * sizeof(std::uint16_t));
}

constexpr std::int64_t kGrain = 4096;  // elements that are worth a thread

}  // namespace

void gelu(const Tensor& x) {
  check(x.encoding == kFloat && x.rank == 2 && x.strides[0] == x.columns(), "gelu: expected a dense f32 matrix");
  // Each element by itself: where the ranges are cut does not change any of them.
  parallel_for(x.rows() * x.columns(), kGrain,
               [&](std::int64_t begin, std::int64_t end) { gelu_range(x.f32(), begin, end); });
}

void gelu(const Tensor& x, const Tensor& dst) {
  check(x.encoding == kFloat && x.rank == 2 && x.strides[0] == x.columns(), "gelu: expected a dense f32 matrix");
  check(dst.encoding == kBfloat16 && dst.rank == 2 && dst.rows() == x.rows() && dst.columns() == x.columns() &&
            dst.strides[0] == dst.columns(),
        "gelu: expected a dense bf16 matrix [", x.rows(), ", ", x.columns(), "] to write");
  parallel_for(x.rows() * x.columns(), kGrain,
               [&](std::int64_t begin, std::int64_t end) { gelu_range_bf16(x.f32(), dst.bf16(), begin, end); });
}

}  // namespace vitq
