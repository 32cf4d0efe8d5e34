// Products of floats on AVX2: bit for bit the sums that the header promises, whatever stands beside a row and however
// the outputs are divided.

#include "engine/gemm/float_panels.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

#include "engine/gemm/gemm.h"
#include "engine/gemm/onednn.h"
#include "engine/isa.h"
#include "engine/threads.h"
#include "tests/random.h"

using namespace vitq;
using test::random_floats;

namespace {

struct Case {
  std::int64_t rows, outputs, inputs;
  std::int64_t padding = 0;  ///< behind each row of both
};

// One element: blocks of at most 384 inputs, as equal as may be, each a chain of fused multiply-adds; the first with
// the bias, then what was there is added.
float expected_sum(const float* src, const float* weight, std::int64_t inputs, const float* bias, const float* added) {
  const std::int64_t blocks = (inputs + 383) / 384;
  const std::int64_t most = (inputs + blocks - 1) / blocks;
  float result = 0;
  for (std::int64_t begin = 0; begin < inputs; begin += most) {
    float sum = 0;
    for (std::int64_t i = begin; i < std::min(begin + most, inputs); ++i) sum = std::fma(src[i], weight[i], sum);
    if (begin > 0) {
      sum += result;
    } else {
      if (bias != nullptr) sum += *bias;
      if (added != nullptr) sum += *added;
    }
    result = sum;
  }
  return result;
}

void check_bits(const Case& one, bool is_biased, bool accumulate) {
  CAPTURE(one.rows);
  CAPTURE(one.outputs);
  CAPTURE(one.inputs);
  CAPTURE(is_biased);
  CAPTURE(accumulate);
  const std::int64_t src_stride = one.inputs + one.padding;
  const std::int64_t dst_stride = one.outputs + one.padding;
  auto src = random_floats(one.rows * src_stride, 1);
  const auto weight = random_floats(one.outputs * one.inputs, 2);
  const auto bias = random_floats(is_biased ? one.outputs : 0, 3);
  const auto before = random_floats(one.rows * dst_stride, 4);
  const FloatPanels panels(weight, bias, one.outputs, one.inputs);
  const Tensor from(src.data(), {one.rows, one.inputs}, {src_stride, 1});

  auto dst = before;
  const Tensor to(dst.data(), {one.rows, one.outputs}, {dst_stride, 1});
  panels.multiply(from, to, accumulate, 0, panels.panels());
  std::int64_t wrong = 0;
  for (std::int64_t r = 0; r < one.rows; ++r) {
    for (std::int64_t o = 0; o < dst_stride; ++o) {
      const std::int64_t at = r * dst_stride + o;
      const float expected = o >= one.outputs
                                 ? before[at]
                                 : expected_sum(src.data() + r * src_stride, weight.data() + o * one.inputs, one.inputs,
                                                is_biased ? &bias[o] : nullptr, accumulate ? &before[at] : nullptr);
      wrong += dst[at] != expected;
    }
  }
  CHECK(wrong == 0);

  // Two halves of the outputs, the second first; and each row by itself.
  auto apart = before;
  const Tensor halves(apart.data(), {one.rows, one.outputs}, {dst_stride, 1});
  panels.multiply(from, halves, accumulate, panels.panels() / 2, panels.panels());
  panels.multiply(from, halves, accumulate, 0, panels.panels() / 2);
  CHECK(apart == dst);
  auto alone = before;
  const Tensor rows(alone.data(), {one.rows, one.outputs}, {dst_stride, 1});
  for (std::int64_t r = 0; r < one.rows; ++r) {
    panels.multiply(rows_of(from, r, 1), rows_of(rows, r, 1), accumulate, 0, panels.panels());
  }
  CHECK(alone == dst);
}

}  // namespace

TEST_CASE("float panels: each sum has the bits of one chain in the order of the inputs") {
  if (cpu_isa() < Isa::kAvx2) {
    std::puts("SKIPPED: no AVX2");
    return;
  }
  std::vector<Case> cases = {{1, 1, 1}, {197, 40, 192}, {7, 17, 3, 5}, {80, 33, 65, 1}, {13, 100, 768}, {9, 16, 3000}};
  for (std::int64_t rows = 2; rows <= 12; ++rows) cases.push_back({rows, 15, 385, rows % 3});
  for (const Case& one : cases) {
    check_bits(one, true, false);
    check_bits(one, true, true);
    check_bits(one, false, true);
  }
}

TEST_CASE("float panels: a product has the same bits with any number of threads") {
  constexpr std::int64_t kInputs = 400;
  constexpr std::int64_t kOutputs = 150;
  const auto weight = random_floats(kOutputs * kInputs, 2);
  const auto weights = PackedWeights::of_floats(weight, random_floats(kOutputs, 3), kOutputs, kInputs, DType::kF32);
  if (!FloatPanels::are_used()) {
    std::puts("SKIPPED: oneDNN multiplies floats here");
    return;
  }
  for (const std::int64_t rows : {1, 7, 50, 197}) {
    CAPTURE(rows);
    auto src = random_floats(rows * kInputs, 1);
    std::vector<float> alone(rows * kOutputs);
    for (const int threads : {1, 2, 3, 8}) {
      CAPTURE(threads);
      const ThreadScope scope(threads);
      Gemm gemm;
      std::vector<float> dst(rows * kOutputs);
      gemm.product(Tensor(src.data(), {rows, kInputs}), weights, Tensor(dst.data(), {rows, kOutputs}));
      if (threads == 1) alone = dst;
      CHECK(dst == alone);
    }
  }
}

TEST_CASE("float panels: they are used on AVX2 without AVX-512 and nowhere else") {
  CHECK(FloatPanels::are_used() == (isa() >= Isa::kAvx2 && effective_isa().starts_with("AVX2")));
}
