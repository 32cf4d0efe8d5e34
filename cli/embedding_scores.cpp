#include "cli/embedding_scores.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <numeric>

#include "cli/statistics.h"
#include "engine/threads.h"

namespace vitq {
namespace {

/// In double, for lengths and the cosines that are reported.
double product(std::span<const float> a, std::span<const float> b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0, std::plus<>(),
                            [](float x, float y) { return double{x} * y; });
}

/// In as many sums as a vector has lanes: what all pairs of pictures take must be fast.
float fast_product(std::span<const float> a, std::span<const float> b) {
  constexpr std::size_t kLanes = 16;
  std::array<float, kLanes> sums{};
  std::size_t i = 0;
  for (; i + kLanes <= a.size(); i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) sums[lane] += a[i + lane] * b[i + lane];
  }
  float total = std::accumulate(sums.begin(), sums.end(), 0.0F);
  for (; i < a.size(); ++i) total += a[i] * b[i];
  return total;
}

}  // namespace

void Embeddings::add(int label, std::span<const float> embedding) {
  labels_.push_back(label);
  const double length = std::sqrt(product(embedding, embedding));
  for (const float value : embedding) units_.push_back(length > 0 ? static_cast<float>(value / length) : 0.0F);
}

double Embeddings::Score::accuracy() const {
  return with_sibling == 0 ? 0 : static_cast<double>(correct) / static_cast<double>(with_sibling);
}

/// The class that the neighbours of picture `index` say; cosines: [pictures].
int Embeddings::vote(std::size_t index, std::span<const float> cosines, std::size_t k) const {
  std::vector<std::size_t> order(labels_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  order.erase(order.begin() + static_cast<std::ptrdiff_t>(index));
  const auto end = order.begin() + static_cast<std::ptrdiff_t>(std::min(k, order.size()));
  std::partial_sort(order.begin(), end, order.end(), [&](std::size_t a, std::size_t b) {
    return cosines[a] != cosines[b] ? cosines[a] > cosines[b] : a < b;
  });
  std::map<int, int> votes;
  for (auto at = order.begin(); at != end; ++at) ++votes[labels_[*at]];
  int best = labels_[order.front()];
  for (auto at = order.begin(); at != end; ++at) {
    if (votes[labels_[*at]] > votes[best]) best = labels_[*at];
  }
  return best;
}

Embeddings::Score Embeddings::leave_one_out(std::size_t k, int threads) const {
  const std::size_t n = labels_.size();
  std::map<int, std::size_t> counts;
  for (const int label : labels_) ++counts[label];
  std::vector<char> is_correct(n);
  // Some pictures at a time: each pass over all embeddings, which no cache holds, then serves all of them.
  constexpr std::size_t kTogether = 16;
  const ThreadScope scope(threads);
  parallel_for(
      static_cast<std::int64_t>((n + kTogether - 1) / kTogether), 1, [&](std::int64_t begin, std::int64_t end) {
        std::vector<float> cosines(kTogether * n);
        for (std::size_t first = begin * kTogether; first < std::min(n, end * kTogether); first += kTogether) {
          const std::size_t count = std::min(kTogether, n - first);
          for (std::size_t other = 0; other < n; ++other) {
            for (std::size_t i = 0; i < count; ++i) cosines[i * n + other] = fast_product(row(first + i), row(other));
          }
          for (std::size_t i = 0; i < count; ++i) {
            const std::size_t picture = first + i;
            if (counts.at(labels_[picture]) < 2) continue;
            is_correct[picture] = vote(picture, std::span(cosines).subspan(i * n, n), k) == labels_[picture] ? 1 : 0;
          }
        }
      });
  Score score{.n = n};
  for (const int label : labels_) score.with_sibling += counts.at(label) > 1 ? 1 : 0;
  score.correct = static_cast<std::size_t>(std::ranges::count(is_correct, 1));
  return score;
}

void Cosines::add(std::size_t picture, std::span<const float> embedding, std::span<const float> reference) {
  const double lengths = std::sqrt(product(embedding, embedding)) * std::sqrt(product(reference, reference));
  const double cosine = lengths > 0                                ? product(embedding, reference) / lengths
                        : std::ranges::equal(embedding, reference) ? 1.0
                                                                   : 0.0;
  if (cosines_.empty() || cosine < least_) {
    least_ = cosine;
    least_picture_ = picture;
  }
  cosines_.push_back(cosine);
}

double Cosines::mean() const {
  return std::accumulate(cosines_.begin(), cosines_.end(), 0.0) / static_cast<double>(cosines_.size());
}

double Cosines::first_percentile() const {
  constexpr double kFirst = 0.01;
  return percentile(cosines_, kFirst);
}

}  // namespace vitq
