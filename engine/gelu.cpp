#include "engine/gelu.h"

#include "engine/error.h"
#include "engine/simd.h"
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

}  // namespace

void gelu(const Tensor& x) {
  check(x.encoding == kFloat && x.rank == 2 && x.strides[0] == x.columns(), "gelu: expected a dense f32 matrix");
  // Each element by itself: where the ranges are cut does not change any of them.
  parallel_for(x.rows() * x.columns(), 4096,
               [&](std::int64_t begin, std::int64_t end) { gelu_range(x.f32(), begin, end); });
}

}  // namespace vitq
