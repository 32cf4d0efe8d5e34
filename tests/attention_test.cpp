// Attention by itself, at the numbers of tokens of real models: right, and in bounded memory.

#include "engine/layers/attention.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/error.h"
#include "engine/gemm/onednn.h"
#include "tests/bf16.h"
#include "tests/random.h"

using namespace vitq;

namespace {

constexpr std::int64_t kHeads = 2;
constexpr std::int64_t kHeadDim = 16;
constexpr std::int64_t kDim = kHeads * kHeadDim;

std::vector<float> identity() {
  std::vector<float> matrix(kDim * kDim);
  for (std::int64_t i = 0; i < kDim; ++i) matrix[i * (kDim + 1)] = 1;
  return matrix;
}

// proj changes nothing, so that the output is the mix of values.
struct Parts {
  std::vector<float> qkv = test::random_floats(3 * kDim * kDim, 1, -0.4F, 0.4F);
  std::vector<float> proj = identity();

  [[nodiscard]] Attention attention(const PackOptions& options, const std::optional<QuantizedAttention>& codes) const {
    return {"attn", kHeads, Layer{"attn.qkv", Linear(FloatLinear{qkv, {}, 3 * kDim, kDim}, options)},
            Layer{"attn.proj", Linear(FloatLinear{proj, {}, kDim, kDim}, options)}, codes};
  }

  // q, k and v of a token.
  [[nodiscard]] std::vector<double> row(const float* x) const {
    std::vector<double> result(3 * kDim);
    for (std::int64_t o = 0; o < 3 * kDim; ++o) {
      for (std::int64_t i = 0; i < kDim; ++i) result[o] += double{qkv[o * kDim + i]} * x[i];
    }
    return result;
  }
};

// The output of one token, in double.
std::vector<double> expected(const std::vector<std::vector<double>>& all, std::int64_t token) {
  std::vector<double> result(kDim);
  for (std::int64_t h = 0; h < kHeads; ++h) {
    std::vector<double> weight(all.size());
    double most = -1e30;
    for (std::size_t j = 0; j < all.size(); ++j) {
      for (std::int64_t d = 0; d < kHeadDim; ++d) {
        weight[j] += all[token][h * kHeadDim + d] * all[j][kDim + h * kHeadDim + d] / std::sqrt(double{kHeadDim});
      }
      most = std::max(most, weight[j]);
    }
    double total = 0;
    for (double& w : weight) total += w = std::exp(w - most);
    for (std::size_t j = 0; j < all.size(); ++j) {
      for (std::int64_t d = 0; d < kHeadDim; ++d) {
        result[h * kHeadDim + d] += weight[j] / total * all[j][2 * kDim + h * kHeadDim + d];
      }
    }
  }
  return result;
}

struct Outcome {
  double worst = 0;       // of the rows looked at, over the largest value expected
  std::size_t bytes = 0;  // what a thread worked in
};

Outcome run(std::int64_t tokens, const PackOptions& options, const std::optional<QuantizedAttention>& codes) {
  const Parts parts;
  const Attention attention = parts.attention(options, codes);
  auto x = test::random_floats(tokens * kDim, 2, -2, 2);
  std::vector<std::vector<double>> all;
  for (std::int64_t t = 0; t < tokens; ++t) all.push_back(parts.row(&x[t * kDim]));
  Workspace workspace;
  const AttentionShape shape{.groups = 1, .tokens = tokens};
  BufferPlan plan;
  attention.plan(shape, false, plan);
  workspace.fit(plan);
  std::vector<float> output(tokens * kDim);
  std::vector<std::uint16_t> halves(tokens * kDim);
  Tensor src(x.data(), {tokens, kDim});
  if (options.floats == DType::kBF16) {
    quantize(src, Tensor(halves.data(), {tokens, kDim}, kBfloat16));
    src = Tensor(halves.data(), {tokens, kDim}, kBfloat16);
  }
  REQUIRE(attention.run(workspace, src, Tensor(output.data(), {tokens, kDim}), Epilogue::kNone, shape, nullptr));
  Outcome outcome{.worst = 0, .bytes = Workspace::kTileBytes + workspace.gemm().scratch_bytes()};
  double largest = 0;
  for (std::int64_t t = 0; t < tokens; t += std::max<std::int64_t>(1, tokens / 40)) {
    const auto exact = expected(all, t);
    for (std::int64_t c = 0; c < kDim; ++c) {
      largest = std::max(largest, std::fabs(exact[c]));
      outcome.worst = std::max(outcome.worst, std::fabs(output[t * kDim + c] - exact[c]));
    }
  }
  outcome.worst /= largest;
  return outcome;
}

constexpr std::size_t kMebibyte = 1 << 20;
constexpr std::int64_t kTokens[] = {49, 197, 577, 1370, 4097};

}  // namespace

TEST_CASE("attention in float32, bf16 and on integers is right, in at most 1 MiB a thread, at any number of tokens") {
  QuantizedAttention codes;
  codes.scales = {0.06F, 0.06F, 0.06F};
  for (const std::int64_t tokens : kTokens) {
    CAPTURE(tokens);
    const Outcome floats = run(tokens, {}, std::nullopt);
    CHECK(floats.worst < 1e-5);
    CHECK(floats.bytes <= kMebibyte);
    const Outcome integers = run(tokens, {}, codes);
    // Of codes; measured 0.03 to 0.09, and where k and v have seven bits 0.04 to 0.12.
    CHECK(integers.worst < (int8_saturates() ? 0.2 : 0.15));
    CHECK(integers.bytes <= kMebibyte);
    MESSAGE(tokens, " tokens: scratch of a thread ", floats.bytes >> 10, " KiB in float32, ", integers.bytes >> 10,
            " on integers; error ", floats.worst, " and ", integers.worst);
    if (!has_bf16()) continue;
    const Outcome rounded = run(tokens, {.floats = DType::kBF16}, std::nullopt);
    CHECK(rounded.worst < 0.1);
    CHECK(rounded.bytes <= kMebibyte);
  }
}

TEST_CASE("attention on integers refuses more tokens than 32-bit sums can take") {
  const Parts parts;
  const Attention attention = parts.attention({}, QuantizedAttention{});
  Workspace workspace;
  float nothing = 0;
  const Tensor some(&nothing, {65537, kDim});
  CHECK_THROWS_WITH_AS(
      (void)attention.run(workspace, some, some, Epilogue::kNone, {.groups = 1, .tokens = 65537}, nullptr),
      "attn: 65537 tokens, expected at most 65536 on integers", Error);
}

TEST_CASE("products of many shapes keep no more primitives than the limit, and stay right") {
  Gemm gemm;
  const std::vector<float> weight(8 * 8, 1.0F);
  const Linear linear(FloatLinear{weight, {}, 8, 8});
  std::vector<float> src(600 * 8, 0.5F);
  std::vector<float> dst(600 * 8);
  for (int round = 0; round < 2; ++round) {
    for (std::int64_t rows = 1; rows <= 600; ++rows) {
      linear.run(gemm, Tensor(src.data(), {rows, 8}), Tensor(dst.data(), {rows, 8}));
      if (dst[(rows - 1) * 8] != 4.0F) FAIL("wrong product of ", rows, " rows");
    }
  }
  CHECK(gemm.primitives() <= Gemm::kMostPrimitives);
}
