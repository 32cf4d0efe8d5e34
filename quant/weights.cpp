#include "quant/weights.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/error.h"
#include "engine/threads.h"

namespace vitq {

namespace {

constexpr double kLeastScale = 1e-10;

struct Shrinking {
  double least;
  int count;
};
constexpr Shrinking kSymmetric{0.8, 9};
constexpr Shrinking kAsymmetric{0.45, 24};

void check_bits(int bits) { check(bits >= 3 && bits <= 8, "weights: ", bits, " bits, expected 3 to 8"); }

UniformGrid row_grid(double lo, double hi, int bits) {
  if (bits == 8) return {static_cast<float>(std::max(std::max(-lo, hi) / 127, kLeastScale)), 0, -127, 127};
  const int steps = (1 << bits) - 1;
  const auto scale = static_cast<float>(std::max((hi - lo) / steps, kLeastScale));
  const auto lowest = static_cast<std::int32_t>(std::clamp(std::nearbyint(lo / scale), -1.0 * steps, 0.0));
  return {scale, 0, lowest, lowest + steps};
}

// Does not throw: it runs on every thread.
UniformGrid best_row_grid(std::span<const float> row, int bits) {
  UniformGrid best;
  double least_error = std::numeric_limits<double>::infinity();
  for (const UniformGrid& grid : row_candidates(row, bits)) {  // the widest is kept among equals
    const double error = squared_error(row, grid);
    if (error < least_error) {
      least_error = error;
      best = grid;
    }
  }
  return best;
}

}  // namespace

std::vector<UniformGrid> row_candidates(std::span<const float> row, int bits) {
  const auto [least, most] = std::ranges::minmax(row);
  const auto [shrunk, count] = bits == 8 ? kSymmetric : kAsymmetric;
  std::vector<UniformGrid> candidates;
  for (int i = 0; i < count; ++i) {
    const double r = 1 - (1 - shrunk) * i / (count - 1);
    candidates.push_back(row_grid(std::min<double>(least, 0) * r, std::max<double>(most, 0) * r, bits));
  }
  return candidates;
}

UniformGrid search_row_grid(std::span<const float> row, int bits) {
  check_bits(bits);
  check(!row.empty(), "weights: a row without elements");
  check_finite(row, "weights");
  return best_row_grid(row, bits);
}

RowCodes quantize_rows(std::span<const float> weight, std::int64_t rows, int bits) {
  check_bits(bits);
  check(rows > 0 && !weight.empty() && std::ssize(weight) % rows == 0, "weights: ", weight.size(),
        " elements cannot be divided into ", rows, " rows");
  check_finite(weight, "weights");
  const std::int64_t columns = std::ssize(weight) / rows;
  RowCodes result{.rows = rows, .columns = columns, .bits = bits};
  result.codes.resize(weight.size());
  result.scales.resize(rows);
  result.zero_points.resize(rows);
  std::vector<double> errors(rows);
  parallel_for(rows, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t r = begin; r < end; ++r) {
      const auto row = weight.subspan(r * columns, columns);
      const UniformGrid grid = best_row_grid(row, bits);
      std::ranges::transform(row, result.codes.begin() + r * columns,
                             [&](float w) { return static_cast<std::int8_t>(encode(w, grid)); });
      result.scales[r] = grid.scale;
      result.zero_points[r] = -grid.lowest;
      errors[r] = squared_error(row, grid);
    }
  });
  for (const double error : errors) result.squared_error += error;
  return result;
}

std::vector<std::uint8_t> stored_codes(const RowCodes& weights) {
  std::vector<std::uint8_t> stored(weights.codes.size());
  for (std::int64_t i = 0; i < std::ssize(stored); ++i) {
    stored[i] = static_cast<std::uint8_t>(weights.codes[i] + weights.zero_points[i / weights.columns]);
  }
  return stored;
}

std::vector<std::int8_t> executed_codes(std::span<const std::uint8_t> stored,
                                        std::span<const std::int32_t> zero_points) {
  const std::int64_t rows = std::ssize(zero_points);
  check(rows > 0 && std::ssize(stored) % rows == 0, "weights: ", stored.size(), " codes cannot be divided into ", rows,
        " rows");
  const std::int64_t columns = std::ssize(stored) / rows;
  std::vector<std::int8_t> codes(stored.size());
  for (std::int64_t r = 0; r < rows; ++r) {
    const std::int32_t zero_point = zero_points[r];
    check(zero_point >= 0 && zero_point <= 127, "weights: the zero point of row ", r, " is ", zero_point,
          ", expected 0 to 127");
    int most = 0;
    for (std::int64_t i = r * columns; i < (r + 1) * columns; ++i) {
      most = std::max<int>(most, stored[i]);
      codes[i] = static_cast<std::int8_t>(stored[i] - zero_point);
    }
    check(most - zero_point <= 127, "weights: row ", r, " has the code ", most, " with zero point ", zero_point,
          ", expected at most ", zero_point + 127);
  }
  return codes;
}

}  // namespace vitq
