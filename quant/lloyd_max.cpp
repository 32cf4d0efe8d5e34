#include "quant/lloyd_max.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "engine/error.h"
#include "engine/threads.h"

namespace vitq {

namespace {

constexpr int kCodes = 256;
constexpr int kMostLevel = 63;

// Sums over the values of codes below c: count, values, squares.
struct Moments {
  std::array<double, kCodes + 1> count{}, sum{}, square{};
};

// Counts `values` at the codes above their own; finish() makes sums of that.
void count(std::span<const float> values, const UniformGrid& grid, Moments& moments) {
  for (const float value : values) {
    const std::int32_t above = encode(value, grid) + 1;
    const double x = value;
    moments.count[above] += 1;
    moments.sum[above] += x;
    moments.square[above] += x * x;
  }
}

void finish(Moments& moments) {
  for (int c = 0; c < kCodes; ++c) {
    moments.count[c + 1] += moments.count[c];
    moments.sum[c + 1] += moments.sum[c];
    moments.square[c + 1] += moments.square[c];
  }
}

Moments moments_of(const FloatRows& values, const UniformGrid& grid) {
  Moments result;
  for (std::int64_t r = 0; r < values.rows; ++r) {
    count({values.data + r * values.stride, static_cast<std::size_t>(values.columns)}, grid, result);
  }
  finish(result);
  return result;
}

// Squared error of the values of codes [first, last) as `level`.
double error_at(const Moments& moments, const UniformGrid& grid, int first, int last, int level) {
  const double value = decode(level, grid);
  return moments.square[last] - moments.square[first] - 2 * value * (moments.sum[last] - moments.sum[first]) +
         value * value * (moments.count[last] - moments.count[first]);
}

// The first code that is nearer to `right` than to `left`; the one in the middle goes left
// (engine/kernels/code_book.h).
int border(int left, int right) { return (left + right) / 2 + 1; }

LevelFit best_levels(const Moments& moments, const UniformGrid& grid, int levels) {
  // least[n][c]: error of all codes below c, and of c itself, with n + 1 levels of which c is the last.
  std::vector<std::array<double, kCodes>> least(levels);
  std::vector<std::array<int, kCodes>> previous(levels);
  for (int c = 0; c <= grid.highest; ++c) least[0][c] = error_at(moments, grid, 0, c + 1, c);
  for (int n = 1; n < levels; ++n) {
    least[n].fill(std::numeric_limits<double>::infinity());
    for (int c = n; c <= grid.highest; ++c) {
      for (int before = n - 1; before < c; ++before) {
        const int middle = border(before, c);
        const double error = least[n - 1][before] + error_at(moments, grid, before + 1, middle, before) +
                             error_at(moments, grid, middle, c + 1, c);
        if (error >= least[n][c]) continue;
        least[n][c] = error;
        previous[n][c] = before;
      }
    }
  }
  const auto total = [&](int last) {
    return least[levels - 1][last] + error_at(moments, grid, last + 1, kCodes, last);
  };
  int last = levels - 1;
  for (int c = levels; c <= grid.highest; ++c) {
    if (total(c) < total(last)) last = c;
  }
  LevelFit fit{.grid = grid, .levels = std::vector<std::uint8_t>(levels), .mse = total(last)};
  for (int n = levels - 1; n >= 0; --n) {
    fit.levels[n] = static_cast<std::uint8_t>(last);
    last = previous[n][last];
  }
  return fit;
}

}  // namespace

LevelFit fit_levels(const FloatRows& values, int bits) {
  check(bits >= 3 && bits <= 7, "code book: ", bits, " bits, expected 3 to 7");
  const std::vector<UniformGrid> grids = tensor_candidates(values, 8);
  std::vector<LevelFit> fits(grids.size());
  parallel_for(std::ssize(grids), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const Moments moments = moments_of(values, grids[i]);
      fits[i] = best_levels(moments, grids[i], 1 << bits);
    }
  });
  LevelFit best = *std::ranges::min_element(fits, {}, &LevelFit::mse);
  best.mse = std::max(best.mse, 0.0) / static_cast<double>(values.rows * values.columns);
  return best;
}

float weight_level_scale(std::span<const float> row) {
  double sum = 0;
  for (const float w : row) sum += double{w} * w;
  const double deviation = std::sqrt(sum / static_cast<double>(row.size()));
  return static_cast<float>(std::max(kLevelReach / kMostLevel * deviation, 1e-10));
}

std::vector<std::int8_t> fit_weight_levels(std::span<const float> weight, std::int64_t rows, int bits) {
  check(bits >= 3 && bits <= 5, "code book: ", bits, " bits of weights, expected 3 to 5");
  check(rows > 0 && !weight.empty() && std::ssize(weight) % rows == 0, "code book: ", weight.size(),
        " weights cannot be divided into ", rows, " rows");
  check_finite(weight, "weights");
  const std::int64_t inputs = std::ssize(weight) / rows;
  // In units of the row's scale; the levels may lie from -63, at code 0, to 63.
  const UniformGrid grid{.scale = 1, .zero_point = kMostLevel, .lowest = 0, .highest = 2 * kMostLevel};
  Moments moments;
  std::vector<float> scaled(inputs);
  for (std::int64_t r = 0; r < rows; ++r) {
    const auto row = weight.subspan(r * inputs, inputs);
    const float inverse = 1.0F / weight_level_scale(row);
    std::ranges::transform(row, scaled.begin(), [inverse](float w) { return w * inverse; });
    count(scaled, grid, moments);
  }
  finish(moments);
  std::vector<std::int8_t> levels;
  for (const int code : best_levels(moments, grid, 1 << bits).levels) {
    levels.push_back(static_cast<std::int8_t>(code - kMostLevel));
  }
  return levels;
}

}  // namespace vitq
