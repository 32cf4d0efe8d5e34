#include "engine/kernels/simd.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

using namespace vitq;

namespace {

std::uint32_t bits(float x) { return simd::bits_as<std::uint32_t>(x); }

}  // namespace

TEST_CASE("simd: the exponential keeps its bound over its whole range") {
  // Every 64th float from -87 to 0: about four million values.
  double worst = 0;
  for (std::uint32_t word = bits(-0.0F); word <= bits(-87.0F); word += 64 * simd::kLanes) {
    float x[simd::kLanes];
    float y[simd::kLanes];
    for (int l = 0; l < simd::kLanes; ++l) x[l] = simd::bits_as<float>(word + 64 * l);
    simd::store(simd::exp_of_negative(simd::load(x)), y);
    for (int l = 0; l < simd::kLanes; ++l) {
      if (x[l] < -87.0F) continue;
      const double exact = std::exp(double{x[l]});
      worst = std::max(worst, std::fabs(y[l] - exact) / exact);
    }
  }
  CHECK(worst < 0x1p-22);
  MESSAGE("largest relative error of exp: 2^", std::log2(worst));
  float least = 1;
  simd::store(simd::exp_of_negative(simd::splat(-std::numeric_limits<float>::infinity())), &least, simd::Part{1});
  CHECK(least == 0.0F);
}

// This unit is compiled for the base line, whose CPUs have no such instruction: fma() is what simd.h makes of doubles.
TEST_CASE("simd: x86-64-v2 multiplies and adds as the C library does, rounding once") {
  // Operands of any bits: all exponents, denormals, infinities, NaN; and sums that nearly cancel or lie near a tie.
  std::uint64_t state = 1;
  const auto next = [&state] {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    return static_cast<std::uint32_t>(state >> 32);
  };
  int wrong = 0;
  for (int round = 0; round < 400'000; ++round) {
    float x[3][simd::kLanes];
    float found[simd::kLanes];
    for (int l = 0; l < simd::kLanes; ++l) {
      for (auto& operand : x) operand[l] = simd::bits_as<float>(next());
      const float product = x[0][l] * x[1][l];
      const int kind = static_cast<int>(next() % 4);
      if (kind == 1) x[2][l] = simd::bits_as<float>(bits(-product) + next() % 5 - 2);  // nearly cancels
      if (kind == 2) x[2][l] = std::ldexp(product, 24);                                // a tie, or next to one
      if (kind == 3) x[1][l] = simd::bits_as<float>(bits(x[1][l]) & 0xfffff000U);      // few bits: exact ties
    }
    simd::store(simd::fma(simd::load(x[0]), simd::load(x[1]), simd::load(x[2])), found);
    for (int l = 0; l < simd::kLanes; ++l) {
      const float expected = std::fma(x[0][l], x[1][l], x[2][l]);
      wrong += std::isnan(expected) ? !std::isnan(found[l]) : bits(expected) != bits(found[l]);
    }
  }
  CHECK(wrong == 0);
}
