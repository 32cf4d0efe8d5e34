#include "quant/tanq.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "engine/error.h"
#include "engine/threads.h"
#include "quant/log_codes.h"
#include "quant/tanq_search.h"
#include "tests/kernel_tables.h"
#include "tests/random.h"

using namespace vitq;
using test::random_floats;

namespace {

double entry(int i) { return static_cast<double>(i) / (kTableEntries - 1); }

// Peaked scores, as attention has them.
std::vector<float> peaked_scores(std::int64_t count, std::uint64_t seed) {
  auto scores = random_floats(count, seed);
  for (float& x : scores) x = 9 * x * x * x;
  return scores;
}

// AttentionProbe::error over all rows, in double and one element at a time.
double reference_error(const AttentionSample& s, const SoftmaxTable& table) {
  double error = 0;
  double power = 0;
  for (std::int64_t row = 0; row < s.heads * s.tokens; ++row) {
    const auto scores = s.scores.subspan(row * s.score_stride, s.tokens);
    const double most = *std::ranges::max_element(scores);
    for (std::int64_t d = 0; d < s.head_dim; ++d) {
      double exact = 0, sum = 0, coded = 0, levels = 0;
      for (std::int64_t j = 0; j < s.tokens; ++j) {
        const double e = std::exp(scores[j] - most);
        const double level = table[static_cast<int>(std::nearbyint(4095 * e))];
        const double v = s.v[(row / s.tokens * s.tokens + j) * s.head_dim + d];
        exact += e * v;
        sum += e;
        coded += level * v;
        levels += level;
      }
      error += std::pow(coded / levels - exact / sum, 2);
      power += std::pow(exact / sum, 2);
    }
  }
  return error / power;
}

}  // namespace

TEST_CASE("TanQ levels rise from exactly 0 to exactly 1, for every shape of the grid") {
  const auto grid = tanq_grid();
  CHECK(grid.size() == 8 * 14);
  for (const TanqShape& shape : grid) {
    for (int bits = 3; bits <= 8; ++bits) {
      const auto levels = tanq_levels(shape, bits);
      REQUIRE(std::ssize(levels) == 1 << bits);
      CHECK(levels.front() == 0.0);
      CHECK(levels.back() == 1.0);
      CHECK(std::ranges::adjacent_find(levels, std::greater_equal<>()) == levels.end());
      // Evenly spaced on the curve.
      const double first = tanq_curve(0, shape);
      const double step = (tanq_curve(1, shape) - first) / ((1 << bits) - 1);
      for (int q = 0; q < 1 << bits; ++q) {
        CHECK(tanq_curve(levels[q], shape) == doctest::Approx(first + q * step).epsilon(1e-9));
      }
    }
  }
}

TEST_CASE("TanQ with centre 1 - c mirrors TanQ with centre c") {
  for (const double a : {0.3, 0.8, 0.6}) {
    const double c = a > 0.7 ? 0.5 : 0.3;
    const auto levels = tanq_levels({a, c}, 5);
    const auto mirrored = tanq_levels({a, 1 - c}, 5);
    for (int q = 0; q < 32; ++q) CHECK(levels[q] == doctest::Approx(1 - mirrored[31 - q]).epsilon(1e-12));
  }
}

TEST_CASE("TanQ is uniform for a towards 0 and fine near both ends where steep") {
  const auto uniform = tanq_levels({}, 4);
  const auto flat = tanq_levels({1e-5, 0.5}, 4);
  const auto steep = tanq_levels({0.98, 0.5}, 4);
  for (int q = 0; q < 16; ++q) {
    CHECK(uniform[q] == doctest::Approx(q / 15.0).epsilon(1e-12));
    CHECK(std::fabs(flat[q] - q / 15.0) < 1e-8);
  }
  CHECK(steep[1] < uniform[1] / 5);
  CHECK(1 - steep[14] < uniform[1] / 5);
  CHECK(steep[8] - steep[7] > 3 * uniform[1]);
  CHECK(tanq_levels({0.49, 0.0}, 4)[1] > 0.5);  // c = 0: fine near 1 only
}

TEST_CASE("every level encodes to its own code and every value to the nearest level") {
  for (const TanqShape& shape : tanq_grid()) {
    for (const int bits : {3, 4, 6, 8}) {
      const auto levels = tanq_levels(shape, bits);
      bool same = true;
      for (int q = 0; q < 1 << bits; ++q) same = same && nearest_level(levels[q], levels) == q;
      CHECK(same);
      double widest = 0;
      for (std::size_t q = 1; q < levels.size(); ++q) widest = std::max(widest, levels[q] - levels[q - 1]);
      double worst = 0;
      bool nearest = true;
      for (int i = 0; i < kTableEntries; i += 5) {
        const double error = std::fabs(levels[nearest_level(entry(i), levels)] - entry(i));
        worst = std::max(worst, error);
        for (const double level : levels) nearest = nearest && error <= std::fabs(level - entry(i));
      }
      CHECK(nearest);
      CHECK(worst <= widest / 2 * (1 + 1e-12));
    }
  }
  const auto levels = tanq_levels({}, 3);
  CHECK(nearest_level(-1, levels) == 0);
  CHECK(nearest_level(2, levels) == 7);
  CHECK(nearest_level(0.5, std::vector<double>{0, 1}) == 0);  // of two equally near, the lower
}

TEST_CASE("the table equals the scalar reference on snapped levels") {
  for (const TanqShape& shape : tanq_grid()) {
    for (const int bits : {3, 4, 6, 8}) {
      std::vector<double> snapped = tanq_levels(shape, bits);
      const SoftmaxTable table = level_table(snapped);
      // Times 255 * 4095: whole numbers, so that ties are ties.
      for (double& level : snapped) level = 4095 * std::nearbyint(255 * level);
      bool equal = true;
      for (int i = 0; i < kTableEntries; ++i) {
        equal = equal && table[i] == snapped[nearest_level(255.0 * i, snapped)] / 4095;
      }
      CHECK(equal);
      CHECK(table.front() == 0);
      CHECK(table.back() == 255);
    }
  }
}

TEST_CASE("the uniform table at 8 bits is round(255 e)") {
  const SoftmaxTable table = level_table(tanq_levels({}, 8));
  for (int i = 0; i < kTableEntries; ++i) CHECK(table[i] == std::nearbyint(255 * entry(i)));
}

TEST_CASE("log2 and logsqrt2 codes") {
  const LogCodes octave{1, 4, 1};
  const LogCodes half{2, 4, 0.5};
  CHECK(encode(1.0, octave) == 0);
  CHECK(encode(2.0, octave) == 0);
  CHECK(encode(0.25, octave) == 2);
  CHECK(encode(std::exp2(-15.0), octave) == 15);
  CHECK(encode(std::exp2(-16.0), octave) == 16);
  CHECK(encode(0.0, octave) == 16);
  CHECK(encode(-1.0, octave) == 16);
  CHECK(decode(16, octave) == 0.0);
  CHECK(decode(3, octave) == 0.125);
  CHECK(encode(0.25, half) == 2);
  CHECK(decode(2, half) == 0.25);
  CHECK(decode(1, half) == doctest::Approx(0.5 / std::sqrt(2.0)));
  CHECK(encode(0.5 * std::exp2(-7.8), half) == 16);
  CHECK(decode(encode(0.5 * std::exp2(-7.8), half), half) == 0.0);
  for (int bits = 3; bits <= 8; ++bits) {
    for (const int steps : {1, 2}) {
      const LogCodes codes{steps, bits, 0.3};
      for (int q = 0; q <= 1 << bits; ++q) CHECK(encode(decode(q, codes), codes) == q);
    }
  }
}

TEST_CASE("log tables equal the scalar reference, rise and end at 255") {
  for (const int steps : {1, 2}) {
    for (int bits = 3; bits <= 8; ++bits) {
      const LogCodes codes{steps, bits, 1};
      const SoftmaxTable table = log_table(codes);
      CHECK(table.front() == 0);
      CHECK(table.back() == 255);
      CHECK(std::ranges::is_sorted(table));
      for (int i = 0; i < kTableEntries; ++i) {
        CHECK(table[i] == std::nearbyint(255 * decode(encode(entry(i), codes), codes)));
      }
    }
  }
  CHECK_THROWS_AS(log_table({3, 4, 1}), Error);
  CHECK_THROWS_AS(log_table({1, 9, 1}), Error);
  CHECK_THROWS_AS(log_table({1, 4, 0.5}), Error);
}

TEST_CASE("the attention error equals a scalar reference") {
  const test::EachKernelTable each;
  for (const std::int64_t head_dim : {1, 16, 24, 64, 112}) {
    constexpr std::int64_t kHeads = 3;
    constexpr std::int64_t kTokens = 21;
    constexpr std::int64_t kStride = 32;
    auto scores = peaked_scores(kHeads * kTokens * kStride, head_dim);
    scores[5] = -std::numeric_limits<float>::infinity();
    const auto v = random_floats(kHeads * kTokens * head_dim, 100 + head_dim);
    const AttentionSample sample{scores, v, kHeads, kTokens, head_dim, kStride};
    const AttentionProbe probe(sample);
    CHECK(probe.rows() == kHeads * kTokens);
    for (const SoftmaxTable& table :
         {level_table(tanq_levels({0.8, 0.5}, 4)), level_table(tanq_levels({}, 8)), log_table({2, 4, 1})}) {
      CHECK(probe.error(table) == doctest::Approx(reference_error(sample, table)).epsilon(1e-3));
    }
    CHECK(AttentionProbe(sample, 1).rows() == 1);
    CHECK(AttentionProbe(sample, 10 * kTokens * head_dim).rows() == 10);
  }
}

TEST_CASE("the search finds the least error of its grid, the same for any number of threads") {
  const test::EachKernelTable each;
  constexpr std::int64_t kHeads = 4;
  constexpr std::int64_t kTokens = 50;
  constexpr std::int64_t kDim = 32;
  const auto scores = peaked_scores(kHeads * kTokens * kTokens, 1);
  const auto v = random_floats(kHeads * kTokens * kDim, 2);
  const AttentionProbe probe({scores, v, kHeads, kTokens, kDim, kTokens});
  for (const int bits : {4, 8}) {
    const TanqFit fit = search_tanq(probe, bits);
    double least = std::numeric_limits<double>::infinity();
    for (const TanqShape& shape : tanq_grid()) {
      least = std::min(least, probe.error(level_table(tanq_levels(shape, bits))));
    }
    CHECK(fit.error == least);
    CHECK(fit.table == level_table(tanq_levels(fit.shape, bits)));
    CHECK(fit.error <= probe.error(level_table(tanq_levels({}, bits))));
    for (const int threads : {1, 3}) {
      const ThreadScope scope(threads);
      const TanqFit again = search_tanq(probe, bits);
      CHECK(again.error == fit.error);
      CHECK(again.shape.steepness == fit.shape.steepness);
      CHECK(again.shape.centre == fit.shape.centre);
    }
  }
}

TEST_CASE("TanQ refuses shapes without a curve and samples that do not fit") {
  CHECK_THROWS_AS(tanq_levels({1.0, 0.5}, 4), Error);
  CHECK_THROWS_AS(tanq_levels({-0.1, 0.5}, 4), Error);
  CHECK_THROWS_AS(tanq_levels({0.1, 1.5}, 4), Error);
  CHECK_THROWS_AS(tanq_levels({0.1, 0.5}, 2), Error);
  CHECK_THROWS_AS(tanq_levels({std::nan(""), 0.5}, 4), Error);
  CHECK_THROWS_AS(level_table({}), Error);
  CHECK_THROWS_AS(level_table(std::vector<double>{0, 0.9}), Error);
  std::vector<float> scores(4, 0.0F);
  std::vector<float> v(6, 1.0F);
  CHECK_NOTHROW(AttentionProbe({scores, v, 1, 2, 3, 2}));
  CHECK_THROWS_AS(AttentionProbe({scores, v, 1, 2, 2, 2}), Error);
  CHECK_THROWS_AS(AttentionProbe({scores, v, 1, 2, 3, 1}), Error);
  CHECK_THROWS_AS(AttentionProbe({scores, v, 0, 2, 3, 2}), Error);
  v[1] = std::numeric_limits<float>::infinity();
  CHECK_THROWS_AS(AttentionProbe({scores, v, 1, 2, 3, 2}), Error);
  v[1] = 1;
  scores[3] = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_AS(AttentionProbe({scores, v, 1, 2, 3, 2}), Error);
  scores[2] = scores[3] = -std::numeric_limits<float>::infinity();
  CHECK_THROWS_AS(AttentionProbe({scores, v, 1, 2, 3, 2}), Error);
}
