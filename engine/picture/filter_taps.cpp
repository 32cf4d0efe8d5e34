#include "engine/picture/filter_taps.h"

#include <algorithm>
#include <cmath>

namespace vitq {

namespace {

template <class Real>
Real cubic(Real x) {
  constexpr Real kA = Real(-0.5);
  x = std::abs(x);
  if (x < 1) return ((kA + 2) * x - (kA + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * kA;
  return 0;
}

template <class Real>
Real triangle(Real x) {
  return std::max(Real(0), 1 - std::abs(x));
}

template <class Real>
struct Filter {
  Real (*weight)(Real distance);
  Real scale;     ///< samples of the line for one of the resized line
  Real widening;  ///< that, where the line shrinks
  Real support;   ///< how far the filter reaches
};

template <class Real>
Filter<Real> filter_of(Interpolation interpolation, std::int64_t from, std::int64_t to) {
  const bool is_bilinear = interpolation == Interpolation::kBilinear;
  const Real scale = static_cast<Real>(from) / static_cast<Real>(to);
  const Real widening = std::max(scale, Real(1));
  return {is_bilinear ? triangle<Real> : cubic<Real>, scale, widening,
          static_cast<Real>(is_bilinear ? 1 : 2) * widening};
}

}  // namespace

template <class Real>
std::int64_t filter_taps(Interpolation interpolation, std::int64_t from, std::int64_t to, std::int64_t output,
                         std::vector<Real>& weights) {
  constexpr Real kHalf = Real(0.5);
  const Filter<Real> filter = filter_of<Real>(interpolation, from, to);
  const Real narrowing = 1 / filter.widening;
  const Real center = (static_cast<Real>(output) + kHalf) * filter.scale;
  const auto first = std::max<std::int64_t>(0, static_cast<std::int64_t>(center - filter.support + kHalf));
  const auto last = std::min(from, static_cast<std::int64_t>(center + filter.support + kHalf));
  weights.clear();
  Real sum = 0;
  for (std::int64_t i = first; i < last; ++i) {
    weights.push_back(filter.weight((static_cast<Real>(i) - center + kHalf) * narrowing));
    sum += weights.back();
  }
  if (sum != 0) {
    for (Real& weight : weights) weight /= sum;
  }
  return first;
}

template std::int64_t filter_taps(Interpolation, std::int64_t, std::int64_t, std::int64_t, std::vector<double>&);
template std::int64_t filter_taps(Interpolation, std::int64_t, std::int64_t, std::int64_t, std::vector<float>&);

std::int64_t most_filter_taps(Interpolation interpolation, std::int64_t from, std::int64_t to) {
  return static_cast<std::int64_t>(std::ceil(filter_of<double>(interpolation, from, to).support)) * 2 + 1;
}

}  // namespace vitq
