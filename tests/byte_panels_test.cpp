// Products of bytes on AVX2: exact, whatever the codes, against three loops over integers.

#include "engine/gemm/byte_panels.h"

#include <doctest/doctest.h>

#include <cstdio>
#include <vector>

#include "engine/gemm/gemm.h"
#include "engine/gemm/onednn.h"
#include "engine/gemm/packed_weights.h"
#include "engine/isa.h"
#include "engine/threads.h"
#include "tests/random_codes.h"

using namespace vitq;

namespace {

constexpr Encoding kU8{.dtype = DType::kU8};
constexpr Encoding kSums{.dtype = DType::kS32};

struct Case {
  std::int64_t rows, outputs, inputs;
  std::int64_t padding = 0;  ///< behind each row of both
};

// Sums that are wrong, and whether what lies behind the rows was written to.
void check_exact(const Case& one, const std::vector<std::uint8_t>& src, const std::vector<std::int8_t>& codes) {
  CAPTURE(one.rows);
  CAPTURE(one.outputs);
  CAPTURE(one.inputs);
  constexpr std::int32_t kUntouched = 0x5A5A5A5A;
  const BytePanels panels(codes, one.outputs, one.inputs);
  const std::int64_t src_stride = one.inputs + one.padding;
  const std::int64_t dst_stride = one.outputs + one.padding;
  std::vector<std::int32_t> dst(one.rows * dst_stride, kUntouched);
  std::vector<std::byte> scratch(panels.scratch_bytes(one.rows));
  auto* from = const_cast<std::uint8_t*>(src.data());  // only read
  const Tensor rows(from, {one.rows, one.inputs}, {src_stride, 1}, kU8);
  const Tensor sums(dst.data(), {one.rows, one.outputs}, {dst_stride, 1}, kSums);
  // In two parts, the second first.
  panels.multiply(rows, sums, scratch, panels.panels() / 2, panels.panels());
  panels.multiply(rows, sums, scratch, 0, panels.panels() / 2);
  std::int64_t wrong = 0;
  for (std::int64_t r = 0; r < one.rows; ++r) {
    for (std::int64_t o = 0; o < dst_stride; ++o) {
      std::int64_t sum = 0;
      for (std::int64_t i = 0; o < one.outputs && i < one.inputs; ++i) {
        sum += std::int64_t{src[r * src_stride + i]} * codes[o * one.inputs + i];
      }
      wrong += dst[r * dst_stride + o] != (o < one.outputs ? sum : kUntouched);
    }
  }
  CHECK(wrong == 0);
}

}  // namespace

TEST_CASE("byte panels: products of all bytes are exact, for any shape and stride") {
  if (cpu_isa() < Isa::kAvx2) {
    std::puts("SKIPPED: no AVX2");
    return;
  }
  std::vector<Case> cases = {{1, 1, 1}, {197, 40, 192}, {7, 17, 3, 5}, {80, 33, 65, 1}, {13, 100, 768}, {64, 16, 3072}};
  for (std::int64_t rows = 2; rows <= 12; ++rows) cases.push_back({rows, 15, 6, rows % 3});
  for (const Case& one : cases) {
    const auto src = test::random_codes<std::uint8_t>(one.rows * (one.inputs + one.padding), 1, 0, 255);
    // Few bits are multiplied by loops of their own, in steps of as many inputs as the largest code lets.
    for (const int least : {-128, -65, -64, -32, -16, -8, -7, -4, -2, -1}) {
      CAPTURE(least);
      check_exact(one, src, test::random_codes<std::int8_t>(one.outputs * one.inputs, 2, least, -1 - least));
    }
  }
}

TEST_CASE("byte panels: neither the largest sums nor the least leave their range") {
  if (cpu_isa() < Isa::kAvx2) {
    std::puts("SKIPPED: no AVX2");
    return;
  }
  const Case most{3, 17, 65536};  // as many inputs as PackedWeights take
  const std::vector<std::uint8_t> src(most.rows * most.inputs, 255);
  for (const int code : {-128, 127, -64, -16, 16, -8, 8, -1, 1}) {
    check_exact(most, src, std::vector<std::int8_t>(most.outputs * most.inputs, static_cast<std::int8_t>(code)));
  }
}

TEST_CASE("byte panels: a product is the same with any number of threads") {
  if (!BytePanels::are_used()) {
    std::puts("SKIPPED: oneDNN multiplies bytes here");
    return;
  }
  constexpr std::int64_t kInputs = 70;
  constexpr std::int64_t kOutputs = 150;
  for (const int least : {-128, -64, -8}) {
    const auto codes = test::random_codes<std::int8_t>(kOutputs * kInputs, 2, least, -1 - least);
    const auto weights = PackedWeights::of_codes(codes, kOutputs, kInputs);
    for (const std::int64_t rows : {1, 7, 50, 197}) {
      CAPTURE(rows);
      auto src = test::random_codes<std::uint8_t>(rows * kInputs, 1, 0, 255);
      std::vector<std::int32_t> alone;
      for (const int threads : {1, 2, 3, 8}) {
        CAPTURE(threads);
        const ThreadScope scope(threads);
        Gemm gemm;
        std::vector<std::int32_t> dst(rows * kOutputs);
        gemm.product(Tensor(src.data(), {rows, kInputs}, kU8), weights, Tensor(dst.data(), {rows, kOutputs}, kSums));
        if (threads == 1) alone = dst;
        CHECK(dst == alone);
      }
    }
  }
}

TEST_CASE("byte panels: they are used on AVX2 without VNNI and nowhere else") {
  CHECK(BytePanels::are_used() == (isa() >= Isa::kAvx2 && effective_isa() == "AVX2"));
  CHECK(!(BytePanels::are_used() && int8_saturates()));
}
