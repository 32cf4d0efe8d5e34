// bf16: rounding, every kernel that writes it, and the products, against plain scalar references.

#include "tests/bf16.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/error.h"
#include "engine/gemm/onednn.h"
#include "engine/kernels/activation.h"
#include "engine/kernels/layer_norm.h"
#include "engine/kernels/softmax.h"
#include "engine/layers/linear.h"
#include "engine/threads.h"
#include "tests/kernel_tables.h"
#include "tests/random.h"

using namespace vitq;
using test::float_of;
using test::halves_of;
using test::nearest_bf16;
using test::random_floats;
using test::rounded;

namespace {

std::vector<std::uint16_t> converted(std::vector<float> values) {
  std::vector<std::uint16_t> halves(values.size());
  quantize(Tensor(values.data(), {1, std::ssize(values)}), Tensor(halves.data(), {1, std::ssize(values)}, kBfloat16));
  return halves;
}

// src W^T + bias in double, of values that are bf16 already.
std::vector<double> reference_linear(const std::vector<float>& src, const std::vector<float>& weight,
                                     const std::vector<float>& bias, std::int64_t inputs) {
  const std::int64_t rows = std::ssize(src) / inputs;
  const std::int64_t outputs = std::ssize(weight) / inputs;
  std::vector<double> dst(rows * outputs);
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t o = 0; o < outputs; ++o) {
      double sum = bias.empty() ? 0 : bias[o];
      for (std::int64_t i = 0; i < inputs; ++i) sum += double{src[r * inputs + i]} * weight[o * inputs + i];
      dst[r * outputs + o] = sum;
    }
  }
  return dst;
}

double gelu_of(double x) { return 0.5 * x * (1.0 + std::erf(x / std::sqrt(2.0))); }

// Half a step of bf16 at x, and the error of sums in f32.
double allowed(double x) { return 0x1p-8 * std::fabs(x) + 2e-5; }

}  // namespace

TEST_CASE("bf16 is the nearest one, ties to even, for every upper half with the lower halves where that turns") {
  const test::EachKernelTable each;
  std::vector<float> values;
  for (std::uint32_t upper = 0; upper <= 0xffff; ++upper) {
    for (const std::uint32_t lower : {0U, 1U, 0x7fffU, 0x8000U, 0x8001U, 0xffffU}) {
      const std::uint32_t bits = upper << 16 | lower;
      float value = 0;
      std::memcpy(&value, &bits, sizeof(value));
      values.push_back(value);
    }
  }
  const auto halves = converted(values);
  std::int64_t wrong = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    wrong += std::isnan(values[i]) ? !std::isnan(float_of(halves[i])) : halves[i] != nearest_bf16(values[i]);
  }
  CHECK(wrong == 0);
}

TEST_CASE("bf16 of special values, by their bits") {
  const test::EachKernelTable each;
  const float inf = std::numeric_limits<float>::infinity();
  const auto halves = converted({0.0F, -0.0F, 1.0F, 1.00390625F, 1.01171875F, -1.00390625F, inf, -inf,
                                 std::numeric_limits<float>::max(), std::numeric_limits<float>::denorm_min(), 0x1p-133F,
                                 -0x1p-127F, std::numeric_limits<float>::quiet_NaN()});
  // 1 + 2^-8 and 1 + 3 2^-8 lie half-way; the largest float is nearer to what infinity stands for.
  const std::vector<std::uint16_t> expected{0x0000, 0x8000, 0x3f80, 0x3f80, 0x3f82, 0xbf80, 0x7f80,
                                            0xff80, 0x7f80, 0x0000, 0x0001, 0x8040, 0x7fc0};
  CHECK(halves == expected);
}

TEST_CASE("conversion to bf16 reads and writes strided rows of any width") {
  const test::EachKernelTable each;
  for (const std::int64_t columns : {1, 15, 16, 17, 100}) {
    constexpr std::int64_t kRows = 40;
    const std::int64_t stride = columns + 3;
    auto src = random_floats(kRows * stride, 1, -9, 9);
    std::vector<std::uint16_t> dst(kRows * stride, 7);
    quantize(Tensor(src.data(), {kRows, columns}, {stride, 1}),
             Tensor(dst.data(), {kRows, columns}, {stride, 1}, kBfloat16));
    std::int64_t wrong = 0;
    for (std::int64_t i = 0; i < kRows * stride; ++i) {
      wrong += dst[i] != (i % stride < columns ? nearest_bf16(src[i]) : 7);
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("layer_norm to bf16 is that to f32, rounded") {
  const test::EachKernelTable each;
  for (const std::int64_t dim : {1, 7, 16, 17, 96, 384, 1000}) {
    constexpr std::int64_t kRows = 37;
    auto src = random_floats(kRows * dim, 1, -3, 5);
    const auto gamma = random_floats(dim, 2);
    const auto beta = random_floats(dim, 3);
    const std::vector<std::int32_t> from{5, 5, 0, 36, 1};
    std::vector<float> real(5 * dim);
    std::vector<std::uint16_t> halves(5 * dim);
    const Tensor x(src.data(), {kRows, dim});
    layer_norm(x, gamma, beta, {.eps = 1e-6F}, Tensor(real.data(), {5, dim}), from);
    layer_norm(x, gamma, beta, {.eps = 1e-6F}, Tensor(halves.data(), {5, dim}, kBfloat16), from);
    CHECK(halves == halves_of(real));
  }
}

TEST_CASE("gelu to bf16 is that in place, rounded") {
  const test::EachKernelTable each;
  for (const std::int64_t columns : {1, 15, 16, 17, 1000}) {
    constexpr std::int64_t kRows = 11;
    auto x = random_floats(kRows * columns, 1, -8, 8);
    std::vector<std::uint16_t> halves(x.size());
    activate(Tensor(x.data(), {kRows, columns}), Activation::kGelu, Tensor(halves.data(), {kRows, columns}, kBfloat16));
    activate(Tensor(x.data(), {kRows, columns}), Activation::kGelu);
    CHECK(halves == halves_of(x));
  }
  std::vector<float> x(64);
  CHECK_THROWS_WITH_AS(activate(Tensor(x.data(), {2, 4}), Activation::kGelu, Tensor(x.data(), {2, 4})),
                       "activate: expected a dense bf16 matrix [2, 4] to write", Error);
}

TEST_CASE("softmax_bf16 is softmax, rounded, and its padding is zero") {
  const test::EachKernelTable each;
  for (const std::int64_t columns : {1, 5, 16, 17, 32, 49, 197}) {
    constexpr std::int64_t kGroups = 4;
    constexpr std::int64_t kHeads = 3;
    constexpr std::int64_t kRows = 9;
    constexpr std::int64_t kAll = kGroups * kHeads * kRows;
    const std::int64_t from = padded_columns(columns);
    const std::int64_t to = padded_probabilities(columns);
    const auto source = random_floats(kAll * from, 1, -20, 20);
    const auto bias = random_floats(kHeads * kRows * from, 2);
    const auto mask = random_floats(2 * kRows * from, 3, -5, 0);
    for (const bool biased : {false, true}) {
      auto real = source;
      auto scores = source;
      std::vector<std::uint16_t> halves(kAll * to, 7);
      ScoreTerms terms{.heads = kHeads, .tokens = kRows};
      if (biased) terms.bias = bias;
      if (biased) terms.mask = mask;
      const Tensor probabilities(halves.data(), {kAll, columns}, {to, 1}, kBfloat16);
      softmax(Tensor(real.data(), {kAll, columns}, {from, 1}), 0.125F, terms);
      softmax_bf16(Tensor(scores.data(), {kAll, columns}, {from, 1}), 0.125F, probabilities, terms);
      std::int64_t wrong = 0;
      for (std::int64_t i = 0; i < kAll * to; ++i) {
        const std::int64_t c = i % to;
        wrong += halves[i] != (c < columns ? nearest_bf16(real[i / to * from + c]) : 0);
      }
      CHECK(wrong == 0);
    }
  }
  std::vector<float> values(4096);
  const Tensor scores(values.data(), {4, 4}, {16, 1});
  CHECK_THROWS_AS(softmax_bf16(scores, 1.0F, Tensor(values.data(), {4, 4}, kBfloat16)), Error);  // not padded
  CHECK_THROWS_AS(softmax_bf16(scores, 1.0F, Tensor(values.data(), {4, 4}, {32, 1})), Error);    // f32
}

TEST_CASE("a bf16 linear layer equals a double reference on rounded operands for every epilogue") {
  if (test::skips_without_bf16()) return;
  struct Case {
    std::int64_t rows, outputs, inputs;
  };
  for (const Case& shape : {Case{1, 1, 1}, Case{1, 10, 192}, Case{197, 576, 192}, Case{600, 96, 384}, Case{65, 33, 17},
                            Case{3, 1000, 64}}) {
    const std::int64_t rows = shape.rows;
    const std::int64_t outputs = shape.outputs;
    const std::int64_t inputs = shape.inputs;
    CAPTURE(rows);
    const auto values = random_floats(rows * inputs, 1);
    const auto weight = random_floats(outputs * inputs, 2);
    const auto residual = random_floats(rows * outputs, 4);
    auto src = halves_of(values);
    for (const bool biased : {true, false}) {
      const auto bias = biased ? random_floats(outputs, 3) : std::vector<float>();
      Gemm gemm;
      const Linear linear(FloatLinear{weight, bias, outputs, inputs}, {.floats = DType::kBF16});
      CHECK(linear.source() == kBfloat16);
      const auto expected = reference_linear(rounded(values), rounded(weight), bias, inputs);
      const Tensor from(src.data(), {rows, inputs}, kBfloat16);
      for (const Epilogue epilogue : {Epilogue::kNone, Epilogue::kGelu, Epilogue::kAccumulate}) {
        auto dst = residual;
        linear.run(gemm, from, Tensor(dst.data(), {rows, outputs}), epilogue);
        double worst = 0;
        for (std::int64_t i = 0; i < rows * outputs; ++i) {
          double wanted = epilogue == Epilogue::kGelu ? gelu_of(expected[i]) : expected[i];
          if (epilogue == Epilogue::kAccumulate) wanted += residual[i];
          worst = std::max(worst, std::fabs(dst[i] - wanted));
        }
        CHECK(worst < 2e-5);
        if (epilogue == Epilogue::kAccumulate) continue;
        std::vector<std::uint16_t> halves(rows * outputs);
        linear.run(gemm, from, Tensor(halves.data(), {rows, outputs}, kBfloat16), epilogue);
        std::int64_t wrong = 0;
        for (std::int64_t i = 0; i < rows * outputs; ++i) {
          const double wanted = epilogue == Epilogue::kGelu ? gelu_of(expected[i]) : expected[i];
          wrong += !(std::fabs(float_of(halves[i]) - wanted) <= allowed(wanted));
        }
        CHECK(wrong == 0);
      }
    }
  }
}

TEST_CASE("bf16 weights are rounded half to even when they are packed") {
  if (test::skips_without_bf16()) return;
  constexpr std::int64_t kSize = 64;
  auto weight = random_floats(kSize * kSize, 2);
  for (int i = 0; i < 8; ++i) weight[i] = 1.0F + static_cast<float>(2 * i + 1) * 0x1p-8F;  // half-way
  std::vector<float> identity(kSize * kSize);
  for (std::int64_t i = 0; i < kSize; ++i) identity[i * kSize + i] = 1.0F;
  auto src = halves_of(identity);
  std::vector<float> transposed(kSize * kSize);
  Gemm gemm;
  const Linear linear(FloatLinear{weight, {}, kSize, kSize}, {.floats = DType::kBF16});
  linear.run(gemm, Tensor(src.data(), {kSize, kSize}, kBfloat16), Tensor(transposed.data(), {kSize, kSize}));
  std::int64_t wrong = 0;
  for (std::int64_t o = 0; o < kSize; ++o) {
    for (std::int64_t i = 0; i < kSize; ++i) {
      wrong += transposed[i * kSize + o] != float_of(nearest_bf16(weight[o * kSize + i]));
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("a bf16 row's result does not depend on the rows beside it nor on the threads") {
  if (test::skips_without_bf16()) return;
  constexpr std::int64_t kRows = 197;
  constexpr std::int64_t kPictures = 8;
  for (const auto& [outputs, inputs] : {std::pair{1152, 384}, std::pair{384, 1536}, std::pair{192, 768}}) {
    auto src = halves_of(random_floats(kPictures * kRows * inputs, 1));
    const auto weight = random_floats(std::int64_t{outputs} * inputs, 2);
    const auto bias = random_floats(outputs, 3);
    for (const Epilogue epilogue : {Epilogue::kNone, Epilogue::kGelu}) {
      std::vector<std::uint16_t> alone(kRows * outputs);
      std::vector<std::uint16_t> together(kPictures * kRows * outputs);
      for (const int threads : {1, 2}) {
        const ThreadScope scope(threads);
        Gemm gemm;
        const Linear linear(FloatLinear{weight, bias, outputs, inputs}, {.floats = DType::kBF16});
        if (threads == 1) {
          linear.run(gemm, Tensor(src.data(), {kRows, inputs}, kBfloat16),
                     Tensor(alone.data(), {kRows, outputs}, kBfloat16), epilogue);
        }
        linear.run(gemm, Tensor(src.data(), {kPictures * kRows, inputs}, kBfloat16),
                   Tensor(together.data(), {kPictures * kRows, outputs}, kBfloat16), epilogue);
        CHECK(std::equal(alone.begin(), alone.end(), together.begin()));
      }
    }
  }
}

TEST_CASE("multiply in bf16 equals a double reference, dense with padding and strided, to f32 and bf16") {
  if (test::skips_without_bf16()) return;
  struct Case {
    std::int64_t groups, heads, rows, inner, columns;
  };
  for (const auto& [groups, heads, rows, inner, columns] :
       {Case{1, 3, 37, 16, 48}, Case{1, 2, 197, 64, 208}, Case{4, 3, 49, 32, 64}, Case{2, 1, 5, 7, 3}}) {
    const auto a = random_floats(groups * heads * rows * inner, 1);
    const auto b = random_floats(groups * heads * inner * columns, 2);
    auto left = halves_of(a);
    auto right = halves_of(b);  // stored transposed: [groups, heads, columns, inner]
    std::vector<float> dst(groups * heads * rows * columns);
    std::vector<std::uint16_t> halves(dst.size());
    const Tensor from(left.data(), {groups, heads, rows, inner}, kBfloat16);
    const Tensor by(right.data(), {groups, heads, inner, columns}, {heads * columns * inner, columns * inner, 1, inner},
                    kBfloat16);
    Gemm gemm;  // what is multiplied says how, not what a context packs
    gemm.multiply(from, by, Tensor(dst.data(), {groups, heads, rows, columns}));
    // As attention writes it: the heads of a row side by side.
    gemm.multiply(from, by,
                  Tensor(halves.data(), {groups, heads, rows, columns},
                         {rows * heads * columns, columns, heads * columns, 1}, kBfloat16));
    double worst = 0;
    std::int64_t wrong = 0;
    for (std::int64_t i = 0; i < std::ssize(dst); ++i) {
      const std::int64_t matrix = i / columns / rows;
      const std::int64_t r = i / columns % rows;
      const std::int64_t c = i % columns;
      double sum = 0;
      for (std::int64_t k = 0; k < inner; ++k) {
        sum += double{float_of(left[(matrix * rows + r) * inner + k])} *
               float_of(right[(matrix * columns + c) * inner + k]);
      }
      worst = std::max(worst, std::fabs(dst[i] - sum));
      const std::int64_t at = ((matrix / heads * rows + r) * heads + matrix % heads) * columns + c;
      wrong += !(std::fabs(float_of(halves[at]) - sum) <= allowed(sum));
    }
    CHECK(worst < 1e-5);
    CHECK(wrong == 0);
  }
}

TEST_CASE("a bf16 qkv layer splits into what it would write") {
  if (test::skips_without_bf16()) return;
  constexpr std::int64_t kGroups = 3;
  constexpr std::int64_t kHeads = 2;
  constexpr std::int64_t kTokens = 197;
  constexpr std::int64_t kHeadDim = 32;
  constexpr std::int64_t kDim = kHeads * kHeadDim;
  const auto weight = random_floats(3 * kDim * kDim, 2);
  auto src = halves_of(random_floats(kGroups * kTokens * kDim, 1));
  Gemm gemm;
  const Linear linear(FloatLinear{weight, random_floats(3 * kDim, 3), 3 * kDim, kDim}, {.floats = DType::kBF16});
  const Tensor from(src.data(), {kGroups * kTokens, kDim}, kBfloat16);
  std::vector<std::uint16_t> whole(kGroups * kTokens * 3 * kDim);
  linear.run(gemm, from, Tensor(whole.data(), {kGroups * kTokens, 3 * kDim}, kBfloat16));
  std::vector<std::uint16_t> q(kGroups * kTokens * kDim);
  std::vector<std::uint16_t> k(kGroups * 208 * kDim);
  std::vector<std::uint16_t> v(kGroups * 224 * kDim);
  linear.run_split(gemm, from, Tensor(q.data(), {kGroups, kHeads, kTokens, kHeadDim}, kBfloat16),
                   Tensor(k.data(), {kGroups, kHeads, 208, kHeadDim}, kBfloat16),
                   Tensor(v.data(), {kGroups, kHeads, 224, kHeadDim}, kBfloat16));
  std::int64_t wrong = 0;
  for (std::int64_t group = 0; group < kGroups; ++group) {
    for (std::int64_t token = 0; token < kTokens; ++token) {
      const std::uint16_t* row = &whole[(group * kTokens + token) * 3 * kDim];
      for (std::int64_t c = 0; c < kDim; ++c) {
        const std::int64_t head = group * kHeads + c / kHeadDim;
        wrong += q[(head * kTokens + token) * kHeadDim + c % kHeadDim] != row[c];
        wrong += k[(head * 208 + token) * kHeadDim + c % kHeadDim] != row[kDim + c];
        wrong += v[(head * 224 + token) * kHeadDim + c % kHeadDim] != row[2 * kDim + c];
      }
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("what bf16 does not take is refused by name") {
  std::vector<float> values(64);
  const FloatLinear layer{values, {}, 8, 8};
  CHECK_THROWS_WITH_AS(Linear(layer, {.floats = DType::kU8}), "linear: float weights as u8, expected f32 or bf16",
                       Error);
  if (!has_bf16()) CHECK_THROWS_AS(Linear(layer, {.floats = DType::kBF16}), Error);
  if (test::skips_without_bf16()) return;
  Gemm gemm;
  const Linear linear(FloatLinear{values, {}, 8, 8}, {.floats = DType::kBF16});
  const Tensor src(values.data(), {2, 8}, kBfloat16);
  const Tensor dst(values.data() + 32, {2, 8}, kBfloat16);
  CHECK_THROWS_WITH_AS(linear.run(gemm, Tensor(values.data(), {2, 8}), dst), "linear: expected bf16, found f32 -> bf16",
                       Error);
  CHECK_THROWS_WITH_AS(linear.run(gemm, src, dst, Epilogue::kAccumulate), "linear: only f32 can be added to, not bf16",
                       Error);
  CHECK_THROWS_WITH_AS(linear.run(gemm, src, Tensor(values.data() + 32, {2, 8}, Encoding{.dtype = DType::kU8})),
                       "linear: bf16 weights write f32 or bf16, not u8", Error);
}
