#include "cli/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace vitq {

namespace {

/// Of at least one sample, rising.
double percentile_of_sorted(const std::vector<double>& samples, double fraction) {
  const double position = fraction * static_cast<double>(samples.size() - 1);
  const auto below = static_cast<std::size_t>(position);
  const std::size_t above = std::min(below + 1, samples.size() - 1);
  return std::lerp(samples[below], samples[above], position - static_cast<double>(below));
}

}  // namespace

double percentile(std::vector<double> samples, double fraction) {
  if (samples.empty()) return 0;
  std::ranges::sort(samples);
  return percentile_of_sorted(samples, fraction);
}

Summary summarize(std::vector<double> samples) {
  if (samples.empty()) return {};
  std::ranges::sort(samples);
  const auto last = static_cast<double>(samples.size() - 1);
  Summary summary{.min = samples.front(),
                  .median = percentile_of_sorted(samples, 0.5),
                  .mean = std::accumulate(samples.begin(), samples.end(), 0.0) / (last + 1),
                  .stddev = 0,
                  .p90 = percentile_of_sorted(samples, 0.9),
                  .p95 = percentile_of_sorted(samples, 0.95),
                  .p99 = percentile_of_sorted(samples, 0.99)};
  double squares = 0;
  for (const double sample : samples) squares += (sample - summary.mean) * (sample - summary.mean);
  if (last > 0) summary.stddev = std::sqrt(squares / last);
  return summary;
}

double mcnemar_p(std::int64_t first, std::int64_t second) {
  const auto n = static_cast<double>(first + second);
  const std::int64_t fewer = std::min(first, second);
  // ln(C(n, i) / 2^n), from one i to the next: the binomial itself leaves the range of a double at n = 1030.
  double log_chance = -n * std::log(2.0);
  double tail = std::exp(log_chance);
  for (std::int64_t i = 1; i <= fewer; ++i) {
    const auto k = static_cast<double>(i);
    log_chance += std::log((n - k + 1) / k);
    tail += std::exp(log_chance);
  }
  return std::min(1.0, 2 * tail);  // both tails hold the middle where the counts are even
}

}  // namespace vitq
