#include "quant/covariance.h"

#include <doctest/doctest.h>

#include <vector>

#include "engine/error.h"
#include "tests/random_codes.h"

using namespace vitq;

namespace {

constexpr std::int64_t kInputs = 19;

double moment(const std::vector<std::uint8_t>& codes, std::int64_t i, std::int64_t j, double centre_i,
              double centre_j) {
  const std::int64_t rows = std::ssize(codes) / kInputs;
  double sum = 0;
  for (std::int64_t r = 0; r < rows; ++r) {
    sum += (codes[r * kInputs + i] - centre_i) * (codes[r * kInputs + j] - centre_j);
  }
  return sum / static_cast<double>(rows);
}

double mean(const std::vector<std::uint8_t>& codes, std::int64_t i) {
  double sum = 0;
  for (std::size_t at = i; at < codes.size(); at += kInputs) sum += codes[at];
  return sum * kInputs / static_cast<double>(codes.size());
}

}  // namespace

TEST_CASE("covariance: second moments equal the scalar ones, about any centre and over any number of blocks") {
  MatmulContext context;
  for (const std::int64_t rows : {1, 7, 1024, 1025, 2500}) {
    const auto codes = test::random_codes<std::uint8_t>(rows * kInputs, rows, 0, 255);
    Covariance covariance(kInputs);
    covariance.add(context, codes);
    const auto about_mean = covariance.about_mean();
    const auto about_zero = covariance.about(0);
    const auto about_far = covariance.about(-3000);
    for (std::int64_t i = 0; i < kInputs; ++i) {
      for (std::int64_t j = 0; j < kInputs; ++j) {
        const std::int64_t at = i * kInputs + j;
        CHECK(about_zero[at] == doctest::Approx(moment(codes, i, j, 0, 0)).epsilon(1e-13));
        CHECK(about_far[at] == doctest::Approx(moment(codes, i, j, -3000, -3000)).epsilon(1e-13));
        const double centred = moment(codes, i, j, mean(codes, i), mean(codes, j));
        CHECK(about_mean[at] == doctest::Approx(centred).epsilon(1e-9).scale(5000));
      }
    }
  }
}

TEST_CASE("covariance: rows may come in parts") {
  MatmulContext context;
  const auto codes = test::random_codes<std::uint8_t>(300 * kInputs, 5, 0, 255);
  Covariance whole(kInputs);
  whole.add(context, codes);
  Covariance parts(kInputs);
  parts.add(context, std::span(codes).first(100 * kInputs));
  parts.add(context, std::span(codes).subspan(100 * kInputs));
  CHECK(parts.about_mean() == whole.about_mean());
}

TEST_CASE("covariance: what makes no sense is refused") {
  MatmulContext context;
  Covariance covariance(kInputs);
  CHECK_THROWS_WITH_AS((void)covariance.about_mean(), "covariance: no rows; give at least one picture", Error);
  CHECK_THROWS_WITH_AS(covariance.add(context, std::vector<std::uint8_t>(20)),
                       "covariance: 20 codes cannot be divided into rows of 19", Error);
}
