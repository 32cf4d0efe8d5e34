#include "engine/kernels/layer_norm.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/error.h"
#include "tests/kernel_tables.h"
#include "tests/random.h"

using namespace vitq;
using test::random_floats;

namespace {

std::vector<double> reference_row(const float* x, const std::vector<float>& gamma, const std::vector<float>& beta,
                                  double eps) {
  const auto n = std::ssize(gamma);
  double mean = 0;
  for (std::int64_t c = 0; c < n; ++c) mean += x[c];
  mean /= static_cast<double>(n);
  double variance = 0;
  for (std::int64_t c = 0; c < n; ++c) variance += (x[c] - mean) * (x[c] - mean);
  variance /= static_cast<double>(n);
  std::vector<double> y(n);
  for (std::int64_t c = 0; c < n; ++c) y[c] = (x[c] - mean) / std::sqrt(variance + eps) * gamma[c] + beta[c];
  return y;
}

}  // namespace

TEST_CASE("layer_norm equals a scalar reference, also for widths that are no multiple of the lanes") {
  const test::EachKernelTable each;
  for (const std::int64_t dim : {1, 7, 16, 17, 96, 192, 384, 1000}) {
    CAPTURE(dim);
    constexpr std::int64_t kRows = 37;
    auto src = random_floats(kRows * dim, 1, -3, 5);
    const auto gamma = random_floats(dim, 2);
    const auto beta = random_floats(dim, 3);
    std::vector<float> dst(kRows * dim);
    layer_norm(Tensor(src.data(), {kRows, dim}), gamma, beta, {.eps = 1e-6F}, Tensor(dst.data(), {kRows, dim}));
    double worst = 0;
    for (std::int64_t r = 0; r < kRows; ++r) {
      const auto expected = reference_row(&src[r * dim], gamma, beta, 1e-6);
      for (std::int64_t c = 0; c < dim; ++c) worst = std::max(worst, std::fabs(dst[r * dim + c] - expected[c]));
    }
    CHECK(worst < 5e-6);
  }
}

TEST_CASE("layer_norm without a mean is RMSNorm") {
  const test::EachKernelTable each;
  for (const std::int64_t dim : {7, 16, 96, 384}) {
    CAPTURE(dim);
    auto src = random_floats(dim, 1, -3, 5);
    const auto gamma = random_floats(dim, 2);
    const std::vector<float> beta(dim);
    std::vector<float> dst(dim);
    layer_norm(Tensor(src.data(), {1, dim}), gamma, beta, {.eps = 1e-5F, .is_centred = false},
               Tensor(dst.data(), {1, dim}));
    double squares = 0;
    for (const float x : src) squares += double{x} * x;
    const double root = std::sqrt(squares / static_cast<double>(dim) + 1e-5);
    for (std::int64_t c = 0; c < dim; ++c)
      CHECK(dst[c] == doctest::Approx(src[c] / root * gamma[c]).epsilon(1e-5).scale(1));
  }
}

TEST_CASE("layer_norm gathers rows, and works in place without gathering") {
  const test::EachKernelTable each;
  constexpr std::int64_t kDim = 32;
  auto src = random_floats(4 * kDim, 1);
  const auto gamma = random_floats(kDim, 2);
  const auto beta = random_floats(kDim, 3);
  const std::vector<std::int32_t> from{3, 0, 0, 2, 1};
  std::vector<float> gathered(5 * kDim);
  layer_norm(Tensor(src.data(), {4, kDim}), gamma, beta, {.eps = 1e-5F}, Tensor(gathered.data(), {5, kDim}), from);
  layer_norm(Tensor(src.data(), {4, kDim}), gamma, beta, {.eps = 1e-5F}, Tensor(src.data(), {4, kDim}));
  for (std::size_t i = 0; i < from.size(); ++i) {
    CHECK(std::equal(&gathered[i * kDim], &gathered[i * kDim] + kDim, &src[from[i] * kDim]));
  }
}

TEST_CASE("add_layer_norm adds what layer_norm writes, exactly, to rows of their own stride") {
  const test::EachKernelTable each;
  constexpr std::int64_t kRows = 19;
  for (const std::int64_t dim : {1, 17, 96}) {
    CAPTURE(dim);
    const std::int64_t stride = dim + 3;
    auto src = random_floats(kRows * dim, 1, -3, 5);
    const auto gamma = random_floats(dim, 2);
    const auto beta = random_floats(dim, 3);
    const auto before = random_floats(kRows * stride, 4);
    std::vector<float> normed(kRows * dim);
    layer_norm(Tensor(src.data(), {kRows, dim}), gamma, beta, {.eps = 1e-5F}, Tensor(normed.data(), {kRows, dim}));
    auto found = before;
    add_layer_norm(Tensor(src.data(), {kRows, dim}), gamma, beta, {.eps = 1e-5F},
                   Tensor(found.data(), {kRows, dim}, {stride, 1}));
    for (std::int64_t i = 0; i < std::ssize(found); ++i) {
      const std::int64_t c = i % stride;
      CHECK(found[i] == (c < dim ? before[i] + normed[i / stride * dim + c] : before[i]));
    }
  }
  std::vector<float> x(4);
  const std::vector<float> ones(2, 1.0F);
  CHECK_THROWS_WITH_AS(add_layer_norm(Tensor(x.data(), {2, 2}), ones, ones, {}, Tensor(x.data(), {2, 2}, kBfloat16)),
                       "add_layer_norm: expected f32 -> f32, found f32 -> bf16", Error);
}

TEST_CASE("a constant row becomes beta, whatever its value") {
  const test::EachKernelTable each;
  constexpr std::int64_t kDim = 192;
  std::vector<float> src(kDim, 123.0F);
  const std::vector<float> gamma(kDim, 2.0F);
  const std::vector<float> beta = random_floats(kDim, 3);
  std::vector<float> dst(kDim);
  layer_norm(Tensor(src.data(), {1, kDim}), gamma, beta, {.eps = 1e-6F}, Tensor(dst.data(), {1, kDim}));
  CHECK(dst == beta);
}

TEST_CASE("layer_norm_codes are the rounded values of layer_norm, exactly") {
  const test::EachKernelTable each;
  for (const std::int64_t dim : {1, 7, 16, 17, 96, 192, 384, 1000}) {
    for (const int bits : {8, 4}) {
      constexpr std::int64_t kRows = 37;
      auto src = random_floats(kRows * dim, 1, -3, 5);
      const auto gain = random_floats(dim, 2, 5, 40);
      const auto shift = random_floats(dim, 3, -20, 200);
      const std::vector<std::int32_t> from{5, 5, 0, 36, 1};
      std::vector<float> real(5 * dim);
      std::vector<std::uint8_t> codes(5 * dim);
      layer_norm(Tensor(src.data(), {kRows, dim}), gain, shift, {.eps = 1e-6F}, Tensor(real.data(), {5, dim}), from);
      const Encoding to{.dtype = DType::kU8, .bits = bits};
      layer_norm_codes(Tensor(src.data(), {kRows, dim}), gain, shift, {.eps = 1e-6F},
                       Tensor(codes.data(), {5, dim}, to), from);
      std::int64_t wrong = 0;
      for (std::size_t i = 0; i < codes.size(); ++i) {
        wrong += codes[i] != std::nearbyint(std::clamp(real[i], 0.0F, bits == 8 ? 255.0F : 15.0F));
      }
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("layer_norm refuses shapes that do not fit") {
  std::vector<float> values(64);
  const Tensor square(values.data(), {8, 8});
  CHECK_THROWS_AS(layer_norm(square, std::vector<float>(7), std::vector<float>(8), {.eps = 1e-6F}, square), Error);
  CHECK_THROWS_AS(layer_norm(square, std::vector<float>(8), std::vector<float>(8), {.eps = 1e-6F}, square,
                             std::vector<std::int32_t>{0, 1}),
                  Error);
  const Tensor codes(values.data(), {8, 8}, Encoding{.dtype = DType::kU8});
  CHECK_THROWS_WITH_AS(layer_norm(square, std::vector<float>(8), std::vector<float>(8), {.eps = 1e-6F}, codes),
                       "layer_norm: expected f32 -> f32 or bf16, found f32 -> u8", Error);
}

TEST_CASE("layer_norm_codes refuses a code book: its gain and shift give each channel a grid of its own") {
  std::vector<float> values(64);
  const std::vector<float> ones(8, 1.0F);
  const std::vector<std::uint8_t> book(256);
  const Tensor src(values.data(), {8, 8});
  const Tensor codes(values.data(), {8, 8}, Encoding{.dtype = DType::kU8, .code_book = book.data()});
  CHECK_THROWS_WITH_AS(layer_norm_codes(src, ones, ones, {.eps = 1e-6F}, codes),
                       "layer_norm_codes: expected evenly spaced codes, found u8 of 8 bits (scale 1, zero point 0), "
                       "with a code book",
                       Error);
}
