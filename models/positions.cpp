#include "models/positions.h"

#include <cmath>
#include <numbers>

#include "engine/error.h"
#include "engine/kernels/softmax.h"
#include "engine/picture/filter_taps.h"

namespace vitq {

namespace {

// dst[l] += weight * src[l] over `count` floats.
void add(const float* src, float weight, std::int64_t count, float* dst) {
  for (std::int64_t i = 0; i < count; ++i) dst[i] += weight * src[i];
}

// [lines, from, width] -> [lines, to, width], both dense.
std::vector<float> resampled(std::span<const float> lines, std::int64_t from, std::int64_t to, std::int64_t width) {
  const std::int64_t count = std::ssize(lines) / (from * width);
  std::vector<float> result(count * to * width);
  std::vector<double> weights;
  for (std::int64_t i = 0; i < to; ++i) {
    const std::int64_t first = filter_taps(Interpolation::kBicubic, from, to, i, weights);
    for (std::int64_t line = 0; line < count; ++line) {
      for (std::int64_t t = 0; t < std::ssize(weights); ++t) {
        add(&lines[(line * from + first + t) * width], static_cast<float>(weights[t]), width,
            &result[(line * to + i) * width]);
      }
    }
  }
  return result;
}

// What the columns of one head turn by, for one coordinate each of row and column: [head_dim / 4] frequencies.
std::vector<double> frequencies(Rope rope, std::int64_t head_dim) {
  constexpr double kDinoV3Base = 100;
  constexpr double kEva02Base = 10000;
  const double base = rope == Rope::kDinoV3 ? kDinoV3Base : kEva02Base;
  const double turn = rope == Rope::kDinoV3 ? 2 * std::numbers::pi : 1.0;
  std::vector<double> result;
  const std::int64_t count = head_dim / 4;
  for (std::int64_t k = 0; k < count; ++k) {
    result.push_back(turn / std::pow(base, static_cast<double>(k) / static_cast<double>(count)));
  }
  return result;
}

double coordinate(Rope rope, std::int64_t place, std::int64_t grid) {
  constexpr double kEva02Grid = 16;  // that of its pretraining, in patches
  const auto side = static_cast<double>(grid);
  if (rope == Rope::kDinoV3) return 2 * (static_cast<double>(place) + 0.5) / side - 1;
  return kEva02Grid * static_cast<double>(place) / side;
}

}  // namespace

std::vector<float> resample_positions(std::span<const float> grid, std::int64_t from, std::int64_t to,
                                      std::int64_t dim) {
  check(std::ssize(grid) == from * from * dim && to > 0, "positions: ", grid.size(), " values for ", to,
        " patches a side, expected ", from, " x ", from, " x ", dim);
  const std::vector<float> across = resampled(grid, from, to, dim);
  return resampled(across, from, to, to * dim);
}

RotationTables rotation_tables(Rope rope, std::int64_t grid, std::int64_t head_dim) {
  const std::vector<double> turns = frequencies(rope, head_dim);
  const std::int64_t quarter = std::ssize(turns);
  const std::int64_t half = 2 * quarter;
  RotationTables tables{.cosine = {}, .sine = {}, .pairs_neighbours = rope == Rope::kEva02};
  for (std::int64_t patch = 0; patch < grid * grid; ++patch) {
    const double y = coordinate(rope, patch / grid, grid);
    const double x = coordinate(rope, patch % grid, grid);
    for (std::int64_t c = 0; c < head_dim; ++c) {
      // Pair number and side of a column: frequencies of the row first, then those of the column.
      const std::int64_t pair = tables.pairs_neighbours ? c / 2 : c % half;
      const bool is_first = tables.pairs_neighbours ? c % 2 == 0 : c < half;
      const double angle = pair < quarter ? y * turns[pair] : x * turns[pair - quarter];
      tables.cosine.push_back(static_cast<float>(std::cos(angle)));
      tables.sine.push_back(static_cast<float>(is_first ? -std::sin(angle) : std::sin(angle)));
    }
  }
  return tables;
}

std::vector<float> relative_bias_with_class(std::span<const float> table, std::int64_t grid, std::int64_t heads) {
  const std::int64_t offsets = 2 * grid - 1;
  check(std::ssize(table) == (offsets * offsets + 3) * heads, "relative positions: ", table.size(),
        " values, expected [", offsets * offsets + 3, ", ", heads, "]");
  const std::int64_t patches = grid * grid;
  const std::int64_t tokens = patches + 1;
  const std::int64_t stride = padded_columns(tokens);
  const std::int64_t query_is_class = offsets * offsets;
  const auto row_of = [&](std::int64_t i, std::int64_t j) {
    if (i == 0) return query_is_class + (j == 0 ? 2 : 0);
    if (j == 0) return query_is_class + 1;
    const std::int64_t rows = (i - 1) / grid - (j - 1) / grid + grid - 1;
    const std::int64_t columns = (i - 1) % grid - (j - 1) % grid + grid - 1;
    return rows * offsets + columns;
  };
  std::vector<float> bias(heads * tokens * stride);
  for (std::int64_t i = 0; i < tokens; ++i) {
    for (std::int64_t j = 0; j < tokens; ++j) {
      const float* row = &table[row_of(i, j) * heads];
      for (std::int64_t h = 0; h < heads; ++h) bias[(h * tokens + i) * stride + j] = row[h];
    }
  }
  return bias;
}

}  // namespace vitq
