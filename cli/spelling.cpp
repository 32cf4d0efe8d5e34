#include "cli/spelling.h"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace vitq {
namespace {

/// Optimal string alignment distance, row by row of the usual table.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1);
  std::vector<std::size_t> above(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    before.swap(above);
    above.swap(row);
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, replaced});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
  }
  return row.back();
}

}  // namespace

std::optional<std::size_t> nearest(std::string_view word, std::span<const std::string> candidates) {
  constexpr std::size_t kLongestWord = 64;
  constexpr std::size_t kMostEdits = 2;
  if (word.size() > kLongestWord) return std::nullopt;
  std::optional<std::size_t> found;
  std::size_t least = kMostEdits + 1;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const std::size_t edits = distance(word, candidates[i]);
    if (edits >= least || 2 * edits >= candidates[i].size()) continue;
    least = edits;
    found = i;
  }
  return found;
}

std::string suggestion(std::string_view word, std::span<const std::string> candidates) {
  const auto found = nearest(word, candidates);
  return found ? "; did you mean " + candidates[*found] + "?" : "";
}

}  // namespace vitq
