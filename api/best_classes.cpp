#include "api/best_classes.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace vitq {
namespace {

// The value that a logit sorts by: NaN below everything.
float rank_of(float logit) { return std::isnan(logit) ? -std::numeric_limits<float>::infinity() : logit; }

// exp(logit - most), where both may be infinite.
double weight_of(float logit, float most) {
  if (std::isnan(logit)) return 0;
  return logit == most ? 1 : std::exp(double{logit} - most);
}

}  // namespace

std::vector<Prediction> best_classes(std::span<const float> logits, std::span<const std::string> names, int k) {
  if (logits.empty()) return {};
  std::vector<int> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const auto count = std::min<std::ptrdiff_t>(std::max(k, 0), std::ssize(order));
  std::partial_sort(order.begin(), order.begin() + count, order.end(), [&](int a, int b) {
    if (std::isnan(logits[a]) != std::isnan(logits[b])) return std::isnan(logits[b]);
    const float x = rank_of(logits[a]);
    const float y = rank_of(logits[b]);
    return x != y ? x > y : a < b;
  });
  const float most = rank_of(*std::ranges::max_element(logits, {}, rank_of));
  double total = 0;
  for (const float logit : logits) total += weight_of(logit, most);
  std::vector<Prediction> best;
  for (const int index : std::span(order).first(count)) {
    const double weight = weight_of(logits[index], most);
    best.push_back(
        {.index = index, .probability = total > 0 ? static_cast<float>(weight / total) : 0.0F, .name = names[index]});
  }
  return best;
}

}  // namespace vitq
