#include "engine/kernels/softmax_levels.h"

#include <cmath>
#include <limits>

#include "engine/error.h"

namespace vitq {

SoftmaxLevels::SoftmaxLevels(std::span<const std::uint8_t> table) : table_(table.begin(), table.end()) {
  check(std::ssize(table) == kSoftmaxTable && table.back() > 0, "softmax levels: a table of ", table.size(),
        " levels, expected ", kSoftmaxTable, " of which the last is not 0");
  for (std::int64_t i = 1; i < kSoftmaxTable; ++i) {
    if (table[i] == table[i - 1]) continue;
    if (std::ssize(steps_) == kMostSteps) {
      steps_.clear();
      return;
    }
    // round(4095 e) reaches i where e does (i - 1/2) / 4095.
    const double e = (static_cast<double>(i) - 0.5) / (kSoftmaxTable - 1);
    steps_.push_back({static_cast<float>(std::log(e)), table[i] - table[i - 1]});
  }
  steps_.resize(kMostSteps, {std::numeric_limits<float>::infinity(), 0});
}

}  // namespace vitq
