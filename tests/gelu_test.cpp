#include "engine/kernels/gelu.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "engine/error.h"
#include "tests/kernel_tables.h"

using namespace vitq;

TEST_CASE("gelu keeps its bound from -20 to 20") {
  const test::EachKernelTable each;
  std::vector<float> x;
  for (std::int64_t i = -4'000'000; i <= 4'000'000; ++i) x.push_back(static_cast<float>(i) * 5e-6F);
  auto y = x;
  gelu(Tensor(y.data(), {1, std::ssize(y)}));
  double worst = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double exact = 0.5 * x[i] * (1.0 + std::erf(double{x[i]} / std::sqrt(2.0)));
    worst = std::max(worst, std::fabs(y[i] - exact) / std::max(1.0, std::fabs(double{x[i]})));
  }
  CHECK(worst < 5e-7);
  MESSAGE("largest error of gelu, relative to max(1, |x|): ", worst);
}

TEST_CASE("gelu of single elements is that of whole vectors, and of special values what it should be") {
  const test::EachKernelTable each;
  const float inf = std::numeric_limits<float>::infinity();
  std::vector<float> x{0.0F, -0.0F, 1.0F, -1.0F, 100.0F, -100.0F, inf,   1e-30F, 3.0F,
                       0.5F, -3.0F, 2.0F, 7.0F,  -7.0F,  4.0F,    -4.0F, 1.0F};
  gelu(Tensor(x.data(), {1, std::ssize(x)}));
  CHECK(x[0] == 0.0F);
  CHECK(x[2] == doctest::Approx(0.8413447).epsilon(1e-6));
  CHECK(x[3] == doctest::Approx(-0.1586553).epsilon(1e-6));
  CHECK(x[4] == 100.0F);
  CHECK(x[5] == 0.0F);
  CHECK(x[6] == inf);
  CHECK(x[16] == x[2]);
  CHECK_THROWS_AS(gelu(Tensor(x.data(), {2, 4}, {8, 1})), Error);
}
