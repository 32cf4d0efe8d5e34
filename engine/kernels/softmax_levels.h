#pragma once
// Unevenly spaced levels for the integer softmax (TanQ, logarithmic codes): a table over e = exp(x - max of the row).

#include <cstdint>
#include <span>
#include <vector>

#include "engine/kernels/arguments.h"

namespace vitq {

/// Entries of such a table; entry i is the level at e = i / (kSoftmaxTable - 1).
inline constexpr std::int64_t kSoftmaxTable = rows::kLevelTable;

/// A table made ready for softmax_codes. A table of few levels is a staircase, and x can be compared with the places of
/// its steps: no exponential, no look-up, a third of the time (bench/kernels.cpp).
class SoftmaxLevels {
 public:
  /// The most steps that are faster than the table: those of 4 bits.
  static constexpr std::int64_t kMostSteps = rows::kSteps;

  /// Evenly spaced: round(255 e), without a table.
  SoftmaxLevels() = default;

  /// table: kSoftmaxTable levels, the last of which, that of a row's largest score, must not be 0; else throws Error.
  explicit SoftmaxLevels(std::span<const std::uint8_t> table);

  [[nodiscard]] bool even() const { return table_.empty(); }
  [[nodiscard]] const std::vector<std::uint8_t>& table() const { return table_; }

  /// table[round(4095 exp(x))] = table[0] + the rises of all steps with from <= x. kMostSteps of them, the last ones
  /// perhaps out of reach; none where the table has more.
  [[nodiscard]] const std::vector<rows::Step>& steps() const { return steps_; }

 private:
  std::vector<std::uint8_t> table_;
  std::vector<rows::Step> steps_;
};

}  // namespace vitq
