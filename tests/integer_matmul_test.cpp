// Integer products are exact or they are wrong: every sum is compared with three loops over integers.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "engine/gemm/onednn.h"
#include "engine/gemm/packed_weights.h"
#include "engine/kernels/code_book.h"
#include "engine/kernels/softmax.h"
#include "engine/layers/linear.h"
#include "engine/threads.h"
#include "tests/integer_layer.h"
#include "tests/random.h"
#include "tests/random_codes.h"

using namespace vitq;
using test::random_codes;
using test::random_floats;

namespace {

constexpr Encoding kU8{.dtype = DType::kU8};
constexpr Encoding kS8{.dtype = DType::kS8};
constexpr Encoding kSums{.dtype = DType::kS32};

struct Case {
  std::int64_t rows, outputs, inputs;
};
constexpr Case kCases[] = {{1, 1, 1},    {1, 10, 192},   {197, 576, 192}, {49, 96, 384},
                           {65, 33, 17}, {300, 48, 128}, {3, 1000, 64},   {257, 384, 1536}};

// Sums that differ from those of plain loops; a: [heads, m, inner], b: [heads, inner, n] with the strides given.
template <class A>
std::int64_t wrong_sums(const std::vector<A>& a, const std::vector<std::int8_t>& b, const std::vector<std::int32_t>& c,
                        std::int64_t heads, const Case& s, std::int64_t b_row, std::int64_t b_column) {
  std::int64_t wrong = 0;
  for (std::int64_t i = 0; i < heads * s.rows * s.outputs; ++i) {
    const std::int64_t head = i / (s.rows * s.outputs);
    std::int64_t sum = 0;
    for (std::int64_t k = 0; k < s.inputs; ++k) {
      sum += std::int64_t{a[i / s.outputs * s.inputs + k]} *
             b[head * s.inputs * s.outputs + k * b_row + i % s.outputs * b_column];
    }
    wrong += c[i] != sum;
  }
  return wrong;
}

template <class A>
std::int64_t wrong_products(const Case& s, std::int64_t least, std::int64_t most, int most_b, bool transposed) {
  constexpr std::int64_t kHeads = 2;
  auto a = random_codes<A>(kHeads * s.rows * s.inputs, 1, least, most);
  auto b = random_codes<std::int8_t>(kHeads * s.inputs * s.outputs, 2, -most_b, most_b);
  std::vector<std::int32_t> c(kHeads * s.rows * s.outputs);
  const std::int64_t b_row = transposed ? 1 : s.outputs;
  const std::int64_t b_column = transposed ? s.inputs : 1;
  Gemm gemm;
  gemm.multiply(Tensor(a.data(), {1, kHeads, s.rows, s.inputs}, least < 0 ? kS8 : kU8),
                Tensor(b.data(), {1, kHeads, s.inputs, s.outputs},
                       {kHeads * s.inputs * s.outputs, s.inputs * s.outputs, b_row, b_column}, kS8),
                Tensor(c.data(), {1, kHeads, s.rows, s.outputs}, kSums));
  return wrong_sums(a, b, c, kHeads, s, b_row, b_column);
}

// What a layer of integer weights computes, in double.
struct TestLayer {
  std::vector<std::int8_t> codes;
  std::vector<float> scale, bias;
  Encoding source;
  Case shape;

  explicit TestLayer(const Case& s, int most_code, Encoding from)
      : codes(random_codes<std::int8_t>(s.outputs * s.inputs, 5, -most_code, most_code)),
        scale(random_floats(s.outputs, 6, 0.001F, 0.01F)),
        bias(random_floats(s.outputs, 7)),
        source(from),
        shape(s) {}
  [[nodiscard]] QuantizedLinear weights() const {
    return test::integer_layer(codes, scale, bias, shape.outputs, shape.inputs, source);
  }
  [[nodiscard]] double at(const std::vector<std::uint8_t>& src, std::int64_t row, std::int64_t o) const {
    std::int64_t sum = 0;
    for (std::int64_t i = 0; i < shape.inputs; ++i) {
      sum += std::int64_t{src[row * shape.inputs + i] - source.zero_point} * codes[o * shape.inputs + i];
    }
    return static_cast<double>(sum) * source.scale * scale[o] + bias[o];
  }
};

}  // namespace

TEST_CASE("integer products are exact, whatever the instruction set, within second_operand_bits") {
  const int most = (1 << (second_operand_bits() - 1)) - 1;
  for (const Case& s : kCases) {
    for (const bool transposed : {false, true}) {
      CAPTURE(s.rows);
      CAPTURE(s.outputs);
      CAPTURE(s.inputs);
      CAPTURE(transposed);
      CHECK(wrong_products<std::uint8_t>(s, 0, 255, most, transposed) == 0);
      CHECK(wrong_products<std::int8_t>(s, -127, 127, most, transposed) == 0);
      // The limit that engine/gemm/onednn.h states, and the whole range of the first operand.
      CHECK(wrong_products<std::uint8_t>(s, 0, 255, 64, transposed) == 0);
      CHECK(wrong_products<std::int8_t>(s, -128, 127, 64, transposed) == 0);
    }
  }
}

TEST_CASE("int8_saturates says what the library does") {
  // Full-range products: all right, or (nearly all) wrong.
  const Case s{197, 384, 384};
  const bool wrong = wrong_products<std::uint8_t>(s, 0, 255, 127, true) > 0;
  CHECK(int8_saturates() == wrong);
  CHECK(int8_saturates() == (wrong_products<std::int8_t>(s, -127, 127, 127, true) > 0));
  MESSAGE("oneDNN ", onednn_version(), ", ", effective_isa(),
          std::string(wrong ? ": bytes saturate" : ": bytes do not saturate"));
}

TEST_CASE("a layer of integer weights equals plain loops, for every epilogue and destination") {
  for (const Case& s : kCases) {
    for (const Encoding& source : {Encoding{DType::kU8, 0.02F, 128}, Encoding{DType::kU8, 0.01F, -35, 8}}) {
      CAPTURE(s.outputs);
      CAPTURE(s.inputs);
      const TestLayer layer(s, 64, source);  // no row is halved
      auto src = random_codes<std::uint8_t>(s.rows * s.inputs, 1, 0, 255);
      Gemm gemm;
      const Linear linear(layer.weights());
      CHECK(linear.source() == source);
      const Tensor from(src.data(), {s.rows, s.inputs}, source);
      const auto before = random_floats(s.rows * s.outputs, 8);
      std::vector<float> plain(before.size());
      auto added = before;
      linear.run(gemm, from, Tensor(plain.data(), {s.rows, s.outputs}));
      linear.run(gemm, from, Tensor(added.data(), {s.rows, s.outputs}), Epilogue::kAccumulate);
      double worst = 0;
      std::int64_t wrong = 0;
      for (std::int64_t i = 0; i < s.rows * s.outputs; ++i) {
        const double exact = layer.at(src, i / s.outputs, i % s.outputs);
        worst = std::max(worst, std::fabs(plain[i] - exact) / std::max(1.0, std::fabs(exact)));
        wrong += added[i] != plain[i] + before[i];
      }
      // Folding the zero point in float costs a few units in the last place of its (large) product.
      CHECK(worst < 2e-5);
      CHECK(wrong == 0);
      const Encoding to{DType::kU8, 0.05F, 100, 7};
      std::vector<std::uint8_t> codes(before.size());
      linear.run(gemm, from, Tensor(codes.data(), {s.rows, s.outputs}, to));
      for (std::size_t i = 0; i < codes.size(); ++i) {
        const float code = plain[i] * (1.0F / to.scale) + 100.0F;
        wrong += codes[i] != std::nearbyint(std::clamp(code, 0.0F, 127.0F));
      }
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("a layer with full-range weights stays right where bytes saturate: they are multiplied exactly, or halved") {
  const Case s{49, 96, 384};
  const TestLayer layer(s, 127, Encoding{DType::kU8, 0.02F, 128});
  auto src = random_codes<std::uint8_t>(s.rows * s.inputs, 1, 0, 255);
  Gemm gemm;
  const Linear linear(layer.weights());
  std::vector<float> actual(s.rows * s.outputs);
  linear.run(gemm, Tensor(src.data(), {s.rows, s.inputs}, layer.source), Tensor(actual.data(), {s.rows, s.outputs}));
  double error = 0;
  double power = 0;
  for (std::int64_t i = 0; i < s.rows * s.outputs; ++i) {
    const double exact = layer.at(src, i / s.outputs, i % s.outputs);
    error += (actual[i] - exact) * (actual[i] - exact);
    power += exact * exact;
  }
  // Seven bits: half of a code's unit is lost at random. Eight bits: float rounding only.
  CHECK(error / power < (!int8_saturates() ? 1e-9 : 1e-4));
}

TEST_CASE("a layer's rows do not depend on the rows beside them nor on the threads") {
  const Case s{3 * 197, 384, 384};
  const TestLayer layer(s, 127, Encoding{DType::kU8, 0.02F, 128});
  auto src = random_codes<std::uint8_t>(s.rows * s.inputs, 1, 0, 255);
  const Encoding to{DType::kU8, 0.05F, 100};
  std::vector<std::uint8_t> together(s.rows * s.outputs);
  std::vector<std::uint8_t> apart(together.size());
  for (const int threads : {1, 2}) {
    const ThreadScope scope(threads);
    Gemm gemm;
    const Linear linear(layer.weights());
    linear.run(gemm, Tensor(src.data(), {s.rows, s.inputs}, layer.source),
               Tensor(together.data(), {s.rows, s.outputs}, to), Epilogue::kGelu);
    for (std::int64_t first = 0; first < s.rows; first += 197) {
      if (threads == 1) {
        linear.run(gemm, Tensor(src.data() + first * s.inputs, {197, s.inputs}, layer.source),
                   Tensor(apart.data() + first * s.outputs, {197, s.outputs}, to), Epilogue::kGelu);
      }
    }
    CHECK(together == apart);
  }
}

TEST_CASE("integer attention, from the codes of a token to its output, equals plain loops") {
  constexpr std::int64_t kGroups = 2;
  constexpr std::int64_t kHeads = 3;
  constexpr std::int64_t kTokens = 197;
  constexpr std::int64_t kDim = 32;
  constexpr std::int64_t kScores = padded_columns(kTokens);
  constexpr std::int64_t kLevels = padded_levels(kTokens);
  constexpr std::int64_t kAll = kGroups * kHeads;
  const Case s{kGroups * kTokens, 3 * kHeads * kDim, kHeads * kDim};
  const TestLayer layer(s, 64, Encoding{DType::kU8, 0.01F, 131});
  auto src = random_codes<std::uint8_t>(s.rows * s.inputs, 1, 0, 255);
  const int bits = second_operand_bits();
  const Encoding q_codes{DType::kS8, 0.02F};
  const Encoding k_codes{DType::kS8, bits == 8 ? 0.02F : 0.04F, 0, bits};
  std::vector<std::int8_t> q(kAll * kTokens * kDim);
  std::vector<std::int8_t> k(kAll * kScores * kDim);
  std::vector<std::int8_t> v(kAll * kLevels * kDim);
  Gemm gemm;
  const Linear linear(layer.weights());
  linear.run_split(gemm, Tensor(src.data(), {s.rows, s.inputs}, layer.source),
                   Tensor(q.data(), {kGroups, kHeads, kTokens, kDim}, q_codes),
                   Tensor(k.data(), {kGroups, kHeads, kScores, kDim}, k_codes),
                   Tensor(v.data(), {kGroups, kHeads, kLevels, kDim}, k_codes));

  std::vector<std::int32_t> scores(kAll * kTokens * kScores);
  std::vector<std::uint8_t> levels(kAll * kTokens * kLevels);
  std::vector<std::int32_t> row_sums(kAll * kTokens);
  std::vector<std::int32_t> sums(kAll * kTokens * kDim);
  gemm.multiply(
      Tensor(q.data(), {kGroups, kHeads, kTokens, kDim}, kS8),
      Tensor(k.data(), {kGroups, kHeads, kDim, kScores}, {kHeads * kScores * kDim, kScores * kDim, 1, kDim}, kS8),
      Tensor(scores.data(), {kGroups, kHeads, kTokens, kScores}, kSums));
  const auto padded = [&](void* data, std::int64_t stride, const Encoding& means) {
    return Tensor(data, {kAll * kTokens, kTokens}, {stride, 1}, means);
  };
  softmax_codes(padded(scores.data(), kScores, kSums), 1e-4F, padded(levels.data(), kLevels, kU8), row_sums);
  gemm.multiply(Tensor(levels.data(), {kGroups, kHeads, kTokens, kLevels}, kU8),
                Tensor(v.data(), {kGroups, kHeads, kLevels, kDim}, kS8),
                Tensor(sums.data(), {kGroups, kHeads, kTokens, kDim}, kSums));
  CHECK(wrong_sums(q, k, scores, kAll, {kTokens, kScores, kDim}, 1, kDim) == 0);
  CHECK(wrong_sums(levels, v, sums, kAll, {kTokens, kDim, kLevels}, kDim, 1) == 0);
  std::int64_t wrong = 0;
  for (std::int64_t i = 0; i < kAll * kTokens; ++i) wrong += row_sums[i] < 255 || levels[i * kLevels + kTokens] != 0;
  for (std::int64_t i = 0; i < s.rows * kHeads * kDim; i += 7) {  // q, against the layer in double
    const std::int64_t row = i / (kHeads * kDim);
    const std::int64_t c = i % (kHeads * kDim);
    const std::int64_t at = ((row / kTokens * kHeads + c / kDim) * kTokens + row % kTokens) * kDim + c % kDim;
    const double code = std::clamp(layer.at(src, row, c) / 0.02, -127.0, 127.0);
    wrong += std::fabs(q[at] - code) > 0.502;
  }
  CHECK(wrong == 0);
}

TEST_CASE("a layer with levels owns its code book, also after it was moved, and takes only what is encoded with it") {
  const Case s{5, 33, 17};
  const TestLayer layer(s, 64, Encoding{DType::kU8, 0.02F, 128});
  const std::vector<std::uint8_t> levels{3, 50, 51, 128, 200, 255};
  Gemm gemm;
  QuantizedLinear weights = layer.weights();
  weights.input_levels = levels;
  Linear made(weights);
  Encoding even = made.source();
  REQUIRE(even.code_book != nullptr);
  even.code_book = nullptr;
  CHECK(even == layer.source);

  const Linear linear = std::move(made);
  const CodeBook book = nearest_levels(levels);
  CHECK(std::equal(book.begin(), book.end(), linear.source().code_book));
  auto floats = random_floats(s.rows * s.inputs, 1, -3, 3);
  std::vector<std::uint8_t> codes(floats.size());
  const Tensor src(codes.data(), {s.rows, s.inputs}, linear.source());
  quantize(Tensor(floats.data(), {s.rows, s.inputs}), src);
  std::vector<float> actual(s.rows * s.outputs);
  linear.run(gemm, src, Tensor(actual.data(), {s.rows, s.outputs}));
  double worst = 0;
  for (std::int64_t i = 0; i < s.rows * s.outputs; ++i) {
    const double exact = layer.at(codes, i / s.outputs, i % s.outputs);  // a stored code's value is what it always was
    worst = std::max(worst, std::fabs(actual[i] - exact) / std::max(1.0, std::fabs(exact)));
  }
  CHECK(worst < 2e-5);
  for (const std::uint8_t code : codes) CHECK(std::ranges::count(levels, code) == 1);
  CHECK_THROWS_AS(linear.run(gemm, Tensor(codes.data(), {s.rows, s.inputs}, layer.source),
                             Tensor(actual.data(), {s.rows, s.outputs})),
                  Error);
}

TEST_CASE("what does not fit an integer layer is refused by name") {
  Gemm gemm;
  const std::vector<std::int8_t> codes(64);
  const std::vector<float> scale(8, 1.0F);
  const auto linear_of = [&](std::span<const float> scales, std::span<const float> bias, std::int64_t inputs,
                             std::span<const std::uint8_t> levels = {}) {
    return Linear(test::integer_layer(codes, scales, bias, 8, inputs, kU8, levels));
  };
  CHECK_THROWS_WITH_AS(linear_of(scale, {}, 7), "linear: weight has 64 codes, expected [8, 7]", Error);
  CHECK_THROWS_AS(linear_of({}, {}, 8), Error);
  CHECK_THROWS_AS(linear_of(scale, std::vector<float>(3), 8), Error);
  CHECK_THROWS_AS(linear_of(scale, {}, 8, std::vector<std::uint8_t>{3, 2}), Error);
  const Linear linear(test::integer_layer(codes, scale, {}, 8, 8, kU8));
  std::vector<float> memory(512);
  const Tensor floats(memory.data(), {2, 8});
  CHECK_THROWS_WITH_AS(linear.run(gemm, floats, floats),
                       "linear: expected u8 of 8 bits (scale 1, zero point 0), found f32 -> f32", Error);
  const Tensor four(memory.data(), {1, 1, 8, 8});
  CHECK_THROWS_WITH_AS(
      gemm.multiply(Tensor(memory.data(), {1, 1, 8, 8}, kU8), four, four),
      "multiply: expected f32 x f32 -> f32, bf16 x bf16 -> f32 or bf16, or u8 or s8 x s8 -> s32, found "
      "u8 x f32 -> f32",
      Error);
}
