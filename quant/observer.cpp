#include "quant/observer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>

#include "engine/error.h"
#include "engine/threads.h"

namespace vitq {

namespace {

constexpr std::array kPercentiles = {0.999, 0.9999, 0.99999, 1.0};
constexpr int kCandidates = kPercentiles.size();
constexpr double kLeastRange = 1e-8;
constexpr double kLeastRelativeRange = 1e-4;
constexpr double kLeastShareOfMedian = 0.01;
constexpr std::int64_t kBlock = 1 << 16;

using Quantiles = std::array<double, kCandidates>;

// How many of the largest values the widest tail needs: the two neighbours of quantile(0.999).
std::int64_t tail_of(std::int64_t count) {
  return std::min(count, static_cast<std::int64_t>((1 - kPercentiles.front()) * static_cast<double>(count - 1)) + 2);
}

// The `count` largest keys, falling, into scratch[0, count); scratch holds as many floats as there are values.
// A sample guesses a threshold with about twice as many values above it, so that one pass over the values nearly always
// does; where the guess is too high, a lower one follows, at last none. Exact in any case.
template <class Key>
void largest(std::span<const float> values, std::int64_t count, Key key, float* scratch) {
  const std::int64_t step = std::max<std::int64_t>(16, std::ssize(values) >> 14) | 1;
  const std::int64_t samples = (std::ssize(values) + step - 1) / step;
  for (std::int64_t rank = 2 * (count / step) + 8;; rank *= 8) {
    float threshold = -std::numeric_limits<float>::infinity();
    if (rank < samples) {
      for (std::int64_t i = 0; i < samples; ++i) scratch[i] = key(values[i * step]);
      std::nth_element(scratch, scratch + rank, scratch + samples, std::greater<>());
      threshold = scratch[rank];
    }
    std::int64_t found = 0;
    std::int64_t ties = 0;
    for (const float value : values) {
      const float k = key(value);
      if (k > threshold) scratch[found++] = k;
      ties += k == threshold ? 1 : 0;
    }
    if (found + ties < count) continue;
    std::partial_sort(scratch, scratch + std::min(found, count), scratch + found, std::greater<>());
    std::fill(scratch + std::min(found, count), scratch + count, threshold);
    return;
  }
}

// quantile(p) of the keys for each p of kPercentiles, interpolated linearly between neighbours.
template <class Key>
Quantiles quantiles(std::span<const float> values, Key key, float* scratch) {
  const std::int64_t tail = tail_of(std::ssize(values));
  largest(values, tail, key, scratch);
  Quantiles result;
  for (int i = 0; i < kCandidates; ++i) {
    const double from_top = (1 - kPercentiles[i]) * static_cast<double>(std::ssize(values) - 1);
    const auto above = std::min(static_cast<std::int64_t>(from_top), tail - 1);
    const double upper = scratch[above];
    const double lower = scratch[std::min(above + 1, tail - 1)];
    result[i] = upper + (from_top - static_cast<double>(above)) * (lower - upper);
  }
  return result;
}

struct Ranges {
  Quantiles lo, hi;

  double widest() const { return hi.back() - lo.back(); }
};

Quantiles upper_quantiles(std::span<const float> values, float* scratch) {
  return quantiles(
      values, [](float x) { return x; }, scratch);
}

Quantiles lower_quantiles(std::span<const float> values, float* scratch) {
  Quantiles negated = quantiles(
      values, [](float x) { return -x; }, scratch);
  for (double& value : negated) value = -value;
  return negated;
}

/// The least range that values between these have.
double least_range_of(double lo, double hi) {
  return std::max(kLeastRange, kLeastRelativeRange * std::max(std::fabs(lo), std::fabs(hi)));
}

bool spans_nothing(double lo, double hi) { return hi - lo <= least_range_of(lo, hi); }

using Grids = std::array<UniformGrid, kCandidates>;

Grids grids_of(const Ranges& ranges, int bits, double least_range) {
  Grids grids;
  const std::int32_t steps = (1 << bits) - 1;
  for (int i = 0; i < kCandidates; ++i) {
    const double lo = ranges.lo[i];
    const double hi = ranges.hi[i];
    const double range = std::max({hi - lo, least_range, least_range_of(lo, hi)});
    const auto scale = static_cast<float>(range / steps);
    grids[i] = {scale, static_cast<std::int32_t>(std::nearbyint(-lo / scale)), 0, steps};
  }
  return grids;
}

void check_values(const FloatRows& values, int bits) {
  check(bits >= 3 && bits <= 8, "calibration: ", bits, " bits, expected 3 to 8");
  check(values.rows > 0 && values.columns > 0, "calibration: no values (", values.rows, " x ", values.columns,
        "); give at least one picture");
}

// The values without gaps: `values` itself where it has none, else a copy in `storage`.
std::span<const float> dense(const FloatRows& values, std::vector<float>& storage) {
  if (values.stride == values.columns || values.rows == 1)
    return {values.data, static_cast<std::size_t>(values.rows * values.columns)};
  storage.resize(values.rows * values.columns);
  for (std::int64_t r = 0; r < values.rows; ++r) {
    std::copy_n(values.data + r * values.stride, values.columns, storage.data() + r * values.columns);
  }
  return storage;
}

Observation least_error(const Grids& grids, const std::array<double, kCandidates>& errors, std::int64_t count,
                        int bits) {
  const auto best = std::ranges::min_element(errors) - errors.begin();
  return {grids[best], bits, errors[best] / static_cast<double>(count)};
}

// Blocks are as they are whatever the number of threads, and are added in order.
Observation best_of(const Grids& grids, std::span<const float> values, int bits) {
  const std::int64_t blocks = (std::ssize(values) + kBlock - 1) / kBlock;
  std::vector<std::array<double, kCandidates>> partial(blocks);
  parallel_for(blocks, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t b = begin; b < end; ++b) {
      const auto block = values.subspan(b * kBlock, std::min(kBlock, std::ssize(values) - b * kBlock));
      for (int i = 0; i < kCandidates; ++i) partial[b][i] = squared_error(block, grids[i]);
    }
  });
  std::array<double, kCandidates> errors{};
  for (const auto& block : partial) {
    for (int i = 0; i < kCandidates; ++i) errors[i] += block[i];
  }
  return least_error(grids, errors, std::ssize(values), bits);
}

std::vector<float> transposed(const FloatRows& values) {
  std::vector<float> columns(values.rows * values.columns);
  constexpr std::int64_t kTile = 16;
  parallel_for((values.columns + kTile - 1) / kTile, 1, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t last = std::min(end * kTile, values.columns);
    for (std::int64_t first = begin * kTile; first < last; first += kTile) {
      for (std::int64_t r = 0; r < values.rows; ++r) {
        const float* row = values.data + r * values.stride;
        for (std::int64_t c = first; c < std::min(first + kTile, last); ++c) columns[c * values.rows + r] = row[c];
      }
    }
  });
  return columns;
}

double median_width(const std::vector<Ranges>& ranges) {
  std::vector<double> widths;
  widths.reserve(ranges.size());
  for (const Ranges& range : ranges) widths.push_back(range.widest());
  const auto middle = widths.begin() + std::ssize(widths) / 2;
  std::nth_element(widths.begin(), middle, widths.end());
  return *middle;
}

Grids tensor_grids(std::span<const float> values, int bits) {
  check_finite(values, "calibration values");
  const auto upper = std::make_unique_for_overwrite<float[]>(values.size());
  const auto lower = std::make_unique_for_overwrite<float[]>(values.size());
  Ranges ranges{};
  parallel_for(2, 1, [&](std::int64_t begin, std::int64_t end) {
    if (begin == 0) ranges.hi = upper_quantiles(values, upper.get());
    if (end == 2) ranges.lo = lower_quantiles(values, lower.get());
  });
  return grids_of(ranges, bits, 0);
}

}  // namespace

Observation observe_tensor(const FloatRows& rows, int bits) {
  check_values(rows, bits);
  std::vector<float> storage;
  const std::span<const float> values = dense(rows, storage);
  return best_of(tensor_grids(values, bits), values, bits);
}

std::vector<UniformGrid> tensor_candidates(const FloatRows& rows, int bits) {
  check_values(rows, bits);
  std::vector<float> storage;
  const Grids grids = tensor_grids(dense(rows, storage), bits);
  return {grids.begin(), grids.end()};
}

bool is_flat(const FloatRows& rows) {
  float lo = std::numeric_limits<float>::infinity();
  float hi = -lo;
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    const auto [least, most] = std::ranges::minmax(std::span(rows.data + r * rows.stride, rows.columns));
    lo = std::min(lo, least);
    hi = std::max(hi, most);
  }
  return spans_nothing(lo, hi);
}

std::int64_t flat_columns(const FloatRows& rows) {
  std::vector<float> lo(rows.data, rows.data + rows.columns);
  std::vector<float> hi = lo;
  for (std::int64_t r = 1; r < rows.rows; ++r) {
    const float* row = rows.data + r * rows.stride;
    for (std::int64_t c = 0; c < rows.columns; ++c) {
      lo[c] = std::min(lo[c], row[c]);
      hi[c] = std::max(hi[c], row[c]);
    }
  }
  std::int64_t count = 0;
  for (std::int64_t c = 0; c < rows.columns; ++c) count += spans_nothing(lo[c], hi[c]) ? 1 : 0;
  return count;
}

std::vector<Observation> observe_channels(const FloatRows& values, int bits) {
  check_values(values, bits);
  const std::vector<float> columns = transposed(values);
  check_finite(columns, "calibration values");
  const auto column = [&](std::int64_t c) { return std::span(columns).subspan(c * values.rows, values.rows); };
  const auto scratch = std::make_unique_for_overwrite<float[]>(columns.size());
  std::vector<Ranges> ranges(values.columns);
  parallel_for(values.columns, 1, [&](std::int64_t begin, std::int64_t end) {
    float* own = scratch.get() + begin * values.rows;
    for (std::int64_t c = begin; c < end; ++c) {
      ranges[c].hi = upper_quantiles(column(c), own);
      ranges[c].lo = lower_quantiles(column(c), own);
    }
  });
  const double least = kLeastShareOfMedian * median_width(ranges);
  std::vector<Observation> result(values.columns);
  parallel_for(values.columns, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t c = begin; c < end; ++c) {
      const Grids grids = grids_of(ranges[c], bits, least);
      std::array<double, kCandidates> errors{};
      for (int i = 0; i < kCandidates; ++i) errors[i] = squared_error(column(c), grids[i]);
      result[c] = least_error(grids, errors, values.rows, bits);
    }
  });
  return result;
}

std::vector<Observation> observe_heads(const FloatRows& values, std::int64_t heads, int bits) {
  check(heads > 0 && values.columns % heads == 0, "calibration: ", values.columns, " columns cannot be divided among ",
        heads, " heads");
  const std::int64_t head_dim = values.columns / heads;
  std::vector<Observation> result;
  result.reserve(heads);
  for (std::int64_t h = 0; h < heads; ++h) {
    result.push_back(observe_tensor({values.data + h * head_dim, values.rows, head_dim, values.stride}, bits));
  }
  return result;
}

Observation observe_symmetric(const FloatRows& rows, int bits) {
  check_values(rows, bits);
  std::vector<float> storage;
  const std::span<const float> values = dense(rows, storage);
  check_finite(values, "calibration values");
  const auto scratch = std::make_unique_for_overwrite<float[]>(values.size());
  const Quantiles most = quantiles(
      values, [](float x) { return std::fabs(x); }, scratch.get());
  Grids grids;
  const std::int32_t highest = (1 << (bits - 1)) - 1;
  for (int i = 0; i < kCandidates; ++i) {
    grids[i] = {static_cast<float>(std::max(most[i], kLeastRange) / highest), 0, -highest, highest};
  }
  return best_of(grids, values, bits);
}

UniformGrid symmetric_range(const FloatRows& rows, int bits) {
  check_values(rows, bits);
  float most = 0;
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    const std::span row(rows.data + r * rows.stride, static_cast<std::size_t>(rows.columns));
    check_finite(row, "calibration values");
    for (const float x : row) most = std::max(most, std::fabs(x));
  }
  const std::int32_t highest = (1 << (bits - 1)) - 1;
  return {std::max(most, static_cast<float>(kLeastRange)) / static_cast<float>(highest), 0, -highest, highest};
}

}  // namespace vitq
