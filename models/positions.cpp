#include "models/positions.h"

#include <algorithm>
#include <cmath>

#include "engine/error.h"

namespace vitq {

namespace {

double cubic(double x) {
  constexpr double kA = -0.5;
  x = std::abs(x);
  if (x < 1) return ((kA + 2) * x - (kA + 3)) * x * x + 1;
  return x < 2 ? (((x - 5) * x + 8) * x - 4) * kA : 0;
}

// What output i is the weighted sum of.
struct Taps {
  std::int64_t first = 0;
  std::vector<float> weights;
};

std::vector<Taps> taps_of(std::int64_t from, std::int64_t to) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  const double widening = std::max(scale, 1.0);
  const double support = 2 * widening;
  std::vector<Taps> taps(to);
  for (std::int64_t i = 0; i < to; ++i) {
    const double center = scale * (static_cast<double>(i) + 0.5);
    const auto first = std::max<std::int64_t>(0, static_cast<std::int64_t>(center - support + 0.5));
    const auto last = std::min(from, static_cast<std::int64_t>(center + support + 0.5));
    std::vector<double> weights;
    double sum = 0;
    for (std::int64_t j = first; j < last; ++j) {
      weights.push_back(cubic((static_cast<double>(j) - center + 0.5) / widening));
      sum += weights.back();
    }
    taps[i].first = first;
    for (const double weight : weights) taps[i].weights.push_back(static_cast<float>(weight / sum));
  }
  return taps;
}

// dst[l] += weight * src[l] over `count` floats.
void add(const float* src, float weight, std::int64_t count, float* dst) {
  for (std::int64_t i = 0; i < count; ++i) dst[i] += weight * src[i];
}

}  // namespace

std::vector<float> resample_positions(std::span<const float> grid, std::int64_t from, std::int64_t to,
                                      std::int64_t dim) {
  check(std::ssize(grid) == from * from * dim && to > 0, "positions: ", grid.size(), " values for ", to,
        " patches a side, expected ", from, " x ", from, " x ", dim);
  const std::vector<Taps> taps = taps_of(from, to);
  std::vector<float> across(from * to * dim);
  for (std::int64_t y = 0; y < from; ++y) {
    for (std::int64_t x = 0; x < to; ++x) {
      for (std::size_t t = 0; t < taps[x].weights.size(); ++t) {
        const std::int64_t at = y * from + taps[x].first + static_cast<std::int64_t>(t);
        add(&grid[at * dim], taps[x].weights[t], dim, &across[(y * to + x) * dim]);
      }
    }
  }
  std::vector<float> result(to * to * dim);
  for (std::int64_t y = 0; y < to; ++y) {
    for (std::size_t t = 0; t < taps[y].weights.size(); ++t) {
      const std::int64_t row = taps[y].first + static_cast<std::int64_t>(t);
      add(&across[row * to * dim], taps[y].weights[t], to * dim, &result[y * to * dim]);
    }
  }
  return result;
}

}  // namespace vitq
