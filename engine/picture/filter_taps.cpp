#include "engine/picture/filter_taps.h"

#include <algorithm>
#include <cmath>

namespace vitq {

namespace {

double cubic(double x) {
  constexpr double kA = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((kA + 2.0) * x - (kA + 3.0)) * x * x + 1.0;
  if (x < 2.0) return (((x - 5.0) * x + 8.0) * x - 4.0) * kA;
  return 0.0;
}

double triangle(double x) { return std::max(0.0, 1.0 - std::abs(x)); }

struct Filter {
  double (*weight)(double distance);
  double scale;     ///< samples of the line for one of the resized line
  double widening;  ///< that, where the line shrinks
  double support;   ///< how far the filter reaches
};

Filter filter_of(Interpolation interpolation, std::int64_t from, std::int64_t to) {
  const bool is_bilinear = interpolation == Interpolation::kBilinear;
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  const double widening = std::max(scale, 1.0);
  return {is_bilinear ? triangle : cubic, scale, widening, (is_bilinear ? 1.0 : 2.0) * widening};
}

}  // namespace

std::int64_t filter_taps(Interpolation interpolation, std::int64_t from, std::int64_t to, std::int64_t output,
                         std::vector<double>& weights) {
  const Filter filter = filter_of(interpolation, from, to);
  const double narrowing = 1.0 / filter.widening;
  const double center = (static_cast<double>(output) + 0.5) * filter.scale;
  const auto first = std::max<std::int64_t>(0, static_cast<std::int64_t>(center - filter.support + 0.5));
  const auto last = std::min(from, static_cast<std::int64_t>(center + filter.support + 0.5));
  weights.clear();
  double sum = 0.0;
  for (std::int64_t i = first; i < last; ++i) {
    weights.push_back(filter.weight((static_cast<double>(i) - center + 0.5) * narrowing));
    sum += weights.back();
  }
  if (sum != 0.0) {
    for (double& weight : weights) weight /= sum;
  }
  return first;
}

std::int64_t most_filter_taps(Interpolation interpolation, std::int64_t from, std::int64_t to) {
  return static_cast<std::int64_t>(std::ceil(filter_of(interpolation, from, to).support)) * 2 + 1;
}

}  // namespace vitq
