#pragma once
// "Did you mean": the nearest of the words that would have been right.

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace vitq {

/// Place of the candidate nearest to `word` in Levenshtein distance (swapped neighbours count as one), or nothing where
/// none is near: at most 2 edits, and fewer than half the letters.
std::optional<std::size_t> nearest(std::string_view word, std::span<const std::string> candidates);

/// "; did you mean WORD?" for the nearest, or nothing.
std::string suggestion(std::string_view word, std::span<const std::string> candidates);

}  // namespace vitq
