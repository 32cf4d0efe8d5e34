#include "engine/kernels/activation.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <vector>

#include "engine/error.h"
#include "engine/kernels/requantize.h"
#include "tests/kernel_tables.h"
#include "tests/random.h"

using namespace vitq;

namespace {

double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }

double exact(Activation f, double x) {
  switch (f) {
    case Activation::kGelu:
      return 0.5 * x * (1.0 + std::erf(x / std::numbers::sqrt2));
    case Activation::kQuickGelu:
      return x * sigmoid(1.702 * x);
    case Activation::kTanhGelu:
      return 0.5 * x * (1.0 + std::tanh(std::sqrt(2.0 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
    default:
      return x * sigmoid(x);
  }
}

constexpr Activation kAll[] = {Activation::kGelu, Activation::kQuickGelu, Activation::kTanhGelu, Activation::kSilu};

}  // namespace

TEST_CASE("activations keep their bound from -20 to 20") {
  const test::EachKernelTable each;
  for (const Activation f : kAll) {
    CAPTURE(f);
    std::vector<float> x;
    for (std::int64_t i = -2'000'000; i <= 2'000'000; ++i) x.push_back(static_cast<float>(i) * 1e-5F);
    auto y = x;
    activate(Tensor(y.data(), {1, std::ssize(y)}), f);
    double worst = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      worst = std::max(worst, std::fabs(y[i] - exact(f, x[i])) / std::max(1.0, std::fabs(double{x[i]})));
    }
    CHECK(worst < 5e-7);
    MESSAGE("largest error, relative to max(1, |x|): ", worst);
  }
}

TEST_CASE("activations on their way to codes are 1.9e-4 off at most") {
  const test::EachKernelTable each;
  constexpr float kStep = 1e-3F;  // sums times this are the values; a code is worth 20 of them
  constexpr Encoding kCodes{.dtype = DType::kU8, .scale = 0.02F, .zero_point = 10};
  std::vector<std::int32_t> sums;
  for (std::int32_t i = -8'000; i <= 4'000; ++i) sums.push_back(i);
  const std::vector<float> multiplier(sums.size(), kStep);
  const std::vector<float> offset(sums.size(), 0.0F);
  const Tensor from(sums.data(), {1, std::ssize(sums)}, {.dtype = DType::kS32});
  for (const Activation f : kAll) {
    CAPTURE(f);
    std::vector<std::uint8_t> codes(sums.size());
    requantize(from, {multiplier, offset}, Tensor(codes.data(), {1, std::ssize(sums)}, kCodes), epilogue_of(f));
    CHECK(activation_of(epilogue_of(f)) == f);
    double worst = 0;  // beyond the half step that rounding takes
    for (std::size_t i = 0; i < sums.size(); ++i) {
      const double value = exact(f, double{kStep} * sums[i]);
      const double code = std::clamp(value / kCodes.scale + kCodes.zero_point, 0.0, 255.0);
      worst = std::max(worst, (std::fabs(codes[i] - code) - 0.5) * kCodes.scale);
    }
    CHECK(worst < 1.9e-4);
  }
  CHECK_FALSE(activation_of(Epilogue::kAccumulate).has_value());
}

TEST_CASE("activations of single elements are those of whole vectors, and of special values what they should be") {
  const test::EachKernelTable each;
  const float inf = std::numeric_limits<float>::infinity();
  for (const Activation f : kAll) {
    CAPTURE(f);
    std::vector<float> x{0.0F, -0.0F, 1.0F, -1.0F, 100.0F, -100.0F, inf,   1e-30F, 3.0F,
                         0.5F, -3.0F, 2.0F, 7.0F,  -7.0F,  4.0F,    -4.0F, 1.0F};
    activate(Tensor(x.data(), {1, std::ssize(x)}), f);
    CHECK(x[0] == 0.0F);
    CHECK(x[2] == doctest::Approx(exact(f, 1)).epsilon(1e-6));
    CHECK(x[3] == doctest::Approx(exact(f, -1)).epsilon(1e-6));
    CHECK(x[4] == 100.0F);
    CHECK(x[5] == 0.0F);
    CHECK(x[6] == inf);
    CHECK(x[16] == x[2]);
  }
  std::vector<float> strided(16);
  CHECK_THROWS_AS(activate(Tensor(strided.data(), {2, 4}, {8, 1}), Activation::kGelu), Error);
}

TEST_CASE("gate multiplies the second half of a row by the activation of the first") {
  const test::EachKernelTable each;
  constexpr std::int64_t kRows = 3;
  for (const std::int64_t columns : {1, 15, 16, 37, 64}) {
    auto halves = test::random_floats(kRows * 2 * columns, columns, -5, 5);
    const Tensor from(halves.data(), {kRows, 2 * columns});
    for (const Activation f : kAll) {
      std::vector<float> found(kRows * columns);
      gate(from, f, Tensor(found.data(), {kRows, columns}));
      constexpr Encoding kCodes{.dtype = DType::kU8, .scale = 0.25F, .zero_point = 128};
      std::vector<std::uint8_t> codes(found.size());
      gate(from, f, Tensor(codes.data(), {kRows, columns}, kCodes));
      std::vector<std::uint8_t> of_found(found.size());
      quantize(Tensor(found.data(), {kRows, columns}), Tensor(of_found.data(), {kRows, columns}, kCodes));
      CHECK(codes == of_found);
      for (std::int64_t r = 0; r < kRows; ++r) {
        for (std::int64_t c = 0; c < columns; ++c) {
          const double wanted = exact(f, from.row(r)[c]) * from.row(r)[columns + c];
          CHECK(found[r * columns + c] == doctest::Approx(wanted).epsilon(1e-5).scale(5));
        }
      }
    }
  }
  std::vector<float> some(8);
  CHECK_THROWS_WITH_AS(gate(Tensor(some.data(), {1, 8}), Activation::kSilu, Tensor(some.data(), {1, 8})),
                       "gate: expected f32 [rows, 2 columns] -> [rows, columns], found [1, 8] -> [1, 8]", Error);
}
