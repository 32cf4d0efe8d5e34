#include "quant/tanq.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "engine/error.h"

namespace vitq {

namespace {

constexpr int kSteps = 255;

}  // namespace

double tanq_curve(double x, const TanqShape& shape) {
  if (shape.steepness == 0) return x;
  return std::tan(std::numbers::pi * shape.steepness * (x - shape.centre));
}

std::vector<double> tanq_levels(const TanqShape& shape, int bits) {
  const auto [a, c] = shape;
  check(bits >= 3 && bits <= 8, "TanQ: ", bits, " bits, expected 3 to 8");
  check(c >= 0 && c <= 1, "TanQ: centre ", c, ", expected 0 to 1");
  check(a >= 0 && a * std::max(c, 1 - c) < 0.5, "TanQ: steepness ", a, " with centre ", c,
        ", expected at least 0 and below ", 0.5 / std::max(c, 1 - c));
  const int last = (1 << bits) - 1;
  const double first = tanq_curve(0, shape);
  const double step = (tanq_curve(1, shape) - first) / last;
  std::vector<double> levels(last + 1);
  for (int q = 1; q < last; ++q) {
    const double y = first + q * step;
    levels[q] = a == 0 ? y : c + std::atan(y) / (std::numbers::pi * a);
  }
  levels[last] = 1;
  return levels;
}

int nearest_level(double x, std::span<const double> levels) {
  const auto above = std::ranges::lower_bound(levels, x);
  if (above == levels.begin()) return 0;
  const auto code = static_cast<int>(above - levels.begin());
  if (above == levels.end() || x - levels[code - 1] <= levels[code] - x) return code - 1;
  return code;
}

SoftmaxTable level_table(std::span<const double> levels) {
  check(!levels.empty() && levels.front() == 0 && levels.back() == 1 && std::ranges::is_sorted(levels),
        "softmax table: expected levels that rise from 0 to 1");
  std::vector<int> snapped;
  for (const double level : levels) snapped.push_back(static_cast<int>(std::nearbyint(level * kSteps)));
  SoftmaxTable table;
  std::size_t code = 0;
  for (int i = 0; i < kTableEntries; ++i) {
    // Both distances times 255 * 4095, in whole numbers.
    const auto distance = [&](std::size_t q) { return std::abs(i * kSteps - snapped[q] * (kTableEntries - 1)); };
    while (code + 1 < snapped.size() && (snapped[code + 1] == snapped[code] || distance(code + 1) < distance(code))) {
      ++code;
    }
    table[i] = static_cast<std::uint8_t>(snapped[code]);
  }
  return table;
}

std::vector<TanqShape> tanq_grid() {
  constexpr std::array kTightness = {.05, .5, .7, .8, .9, .95, .97, .98, .99, .993, .996, .998, .999, .9995};
  std::vector<TanqShape> grid;
  for (int tenth = 0; tenth <= 7; ++tenth) {
    const double c = tenth / 10.0;
    for (const double t : kTightness) grid.push_back({t / (2 * std::max(c, 1 - c)), c});
  }
  return grid;
}

}  // namespace vitq
