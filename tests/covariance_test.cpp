#include "quant/covariance.h"

#include <doctest/doctest.h>

#include <vector>

#include "engine/error.h"
#include "tests/random_codes.h"

using namespace vitq;

namespace {

constexpr std::int64_t kInputs = 19;

double moment(const std::vector<std::uint8_t>& codes, std::int64_t i, std::int64_t j, double centre) {
  const std::int64_t rows = std::ssize(codes) / kInputs;
  double sum = 0;
  for (std::int64_t r = 0; r < rows; ++r) {
    sum += (codes[r * kInputs + i] - centre) * (codes[r * kInputs + j] - centre);
  }
  return sum / static_cast<double>(rows);
}

}  // namespace

TEST_CASE("covariance: second moments equal the scalar ones, about any centre and over any number of blocks") {
  Gemm gemm;
  for (const std::int64_t rows : {1, 7, 1024, 1025, 2500}) {
    const auto codes = test::random_codes<std::uint8_t>(rows * kInputs, rows, 0, 255);
    Covariance covariance(kInputs);
    covariance.add(gemm, codes);
    for (const std::int32_t zero_point : {0, 128, -3000}) {
      const auto moments = covariance.about(zero_point);
      for (std::int64_t i = 0; i < kInputs; ++i) {
        for (std::int64_t j = 0; j < kInputs; ++j) {
          CHECK(moments[i * kInputs + j] == doctest::Approx(moment(codes, i, j, zero_point)).epsilon(1e-13).scale(100));
        }
      }
    }
  }
}

TEST_CASE("covariance: rows may come in parts, and count several times") {
  Gemm gemm;
  const auto codes = test::random_codes<std::uint8_t>(300 * kInputs, 5, 0, 255);
  Covariance whole(kInputs);
  whole.add(gemm, codes);
  Covariance parts(kInputs);
  parts.add(gemm, std::span(codes).first(100 * kInputs));
  parts.add(gemm, std::span(codes).subspan(100 * kInputs));
  CHECK(parts.about(7) == whole.about(7));
  whole.add(gemm, std::span(codes).first(5 * kInputs), 3);
  for (int i = 0; i < 3; ++i) parts.add(gemm, std::span(codes).first(5 * kInputs));
  CHECK(parts.about(7) == whole.about(7));
}

TEST_CASE("covariance: what makes no sense is refused") {
  Gemm gemm;
  Covariance covariance(kInputs);
  CHECK_THROWS_WITH_AS((void)covariance.about(0), "covariance: no rows; give at least one picture", Error);
  CHECK_THROWS_WITH_AS(covariance.add(gemm, std::vector<std::uint8_t>(20)),
                       "covariance: 20 codes cannot be divided into rows of 19", Error);
}
