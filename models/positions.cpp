#include "models/positions.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdlib>
#include <numbers>
#include <utility>

#include "engine/error.h"
#include "engine/kernels/softmax.h"
#include "engine/picture/filter_taps.h"

namespace vitq {

namespace {

// dst[l] += weight * src[l] over `count` floats.
void add(const float* src, float weight, std::int64_t count, float* dst) {
  for (std::int64_t i = 0; i < count; ++i) dst[i] += weight * src[i];
}

// Which of `from` samples sample `output` of `to` is a sum of, and with which weights. Source: PyTorch's
// upsample_bicubic2d; the polynomials are Keys' (1981) with a = -0.75.
std::vector<std::pair<std::int64_t, float>> plain_taps(std::int64_t from, std::int64_t to, std::int64_t output) {
  constexpr float kA = -0.75F;
  const auto near = [](float x) { return ((kA + 2) * x - (kA + 3)) * x * x + 1; };
  const auto far = [](float x) { return ((kA * x - 5 * kA) * x + 8 * kA) * x - 4 * kA; };
  const float place = static_cast<float>(from) / static_cast<float>(to) * (static_cast<float>(output) + 0.5F) - 0.5F;
  const float begin = std::floor(place);
  const float rest = place - begin;
  const std::array weights{far(rest + 1), near(rest), near(1 - rest), far(2 - rest)};
  std::vector<std::pair<std::int64_t, float>> taps;
  for (std::int64_t t = 0; t < std::ssize(weights); ++t) {
    const std::int64_t sample = static_cast<std::int64_t>(begin) - 1 + t;
    taps.emplace_back(std::clamp<std::int64_t>(sample, 0, from - 1), weights[t]);
  }
  return taps;
}

std::vector<std::pair<std::int64_t, float>> antialiased_taps(std::int64_t from, std::int64_t to, std::int64_t output) {
  std::vector<float> weights;
  const std::int64_t first = filter_taps(Interpolation::kBicubic, from, to, output, weights);
  std::vector<std::pair<std::int64_t, float>> taps;
  taps.reserve(weights.size());
  for (const float weight : weights) taps.emplace_back(first + std::ssize(taps), weight);
  return taps;
}

// [lines, from, width] -> [lines, to, width], both dense.
std::vector<float> resampled(std::span<const float> lines, std::int64_t from, std::int64_t to, std::int64_t width,
                             PositionFilter filter) {
  const std::int64_t count = std::ssize(lines) / (from * width);
  std::vector<float> result(count * to * width);
  for (std::int64_t i = 0; i < to; ++i) {
    const auto taps = filter == PositionFilter::kPlain ? plain_taps(from, to, i) : antialiased_taps(from, to, i);
    for (std::int64_t line = 0; line < count; ++line) {
      for (const auto& [sample, weight] : taps) {
        add(&lines[(line * from + sample) * width], weight, width, &result[(line * to + i) * width]);
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

double coordinate(Rope rope, std::int64_t place, std::int64_t count) {
  constexpr double kEva02Grid = 16;  // that of its pretraining, in patches
  const auto side = static_cast<double>(count);
  if (rope == Rope::kDinoV3) return 2 * (static_cast<double>(place) + 0.5) / side - 1;
  return kEva02Grid * static_cast<double>(place) / side;
}

}  // namespace

std::vector<float> resample_positions(std::span<const float> grid, Grid from, Grid to, std::int64_t dim,
                                      PositionFilter filter) {
  check(std::ssize(grid) == from.count() * dim && to.rows > 0 && to.columns > 0, "positions: ", grid.size(),
        " values for ", to.rows, " x ", to.columns, " patches, expected ", from.rows, " x ", from.columns, " x ", dim);
  const std::vector<float> across = resampled(grid, from.columns, to.columns, dim, filter);
  return resampled(across, from.rows, to.rows, to.columns * dim, filter);
}

RotationTables rotation_tables(Rope rope, Grid grid, std::int64_t head_dim) {
  const std::vector<double> turns = frequencies(rope, head_dim);
  const std::int64_t quarter = std::ssize(turns);
  const std::int64_t half = 2 * quarter;
  RotationTables tables{.cosine = {}, .sine = {}, .pairs_neighbours = rope == Rope::kEva02};
  for (std::int64_t patch = 0; patch < grid.count(); ++patch) {
    const double y = coordinate(rope, patch / grid.columns, grid.rows);
    const double x = coordinate(rope, patch % grid.columns, grid.columns);
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

std::vector<float> relative_bias_with_class(std::span<const float> table, Grid grid, std::int64_t heads) {
  const std::int64_t across = 2 * grid.columns - 1;
  const std::int64_t query_is_class = (2 * grid.rows - 1) * across;
  check(std::ssize(table) == (query_is_class + 3) * heads, "relative positions: ", table.size(), " values, expected [",
        query_is_class + 3, ", ", heads, "]");
  const std::int64_t tokens = grid.count() + 1;
  const std::int64_t stride = padded_columns(tokens);
  const auto row_of = [&](std::int64_t i, std::int64_t j) {
    if (i == 0) return query_is_class + (j == 0 ? 2 : 0);
    if (j == 0) return query_is_class + 1;
    const std::int64_t rows = (i - 1) / grid.columns - (j - 1) / grid.columns + grid.rows - 1;
    const std::int64_t columns = (i - 1) % grid.columns - (j - 1) % grid.columns + grid.columns - 1;
    return rows * across + columns;
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

std::vector<float> continuous_bias(const BiasMlp& mlp, std::int64_t window, std::int64_t trained_window,
                                   std::int64_t heads) {
  const std::int64_t hidden = std::ssize(mlp.in_bias);
  check(std::ssize(mlp.in) == 2 * hidden && std::ssize(mlp.out) == heads * hidden, "continuous_bias: weights of ",
        mlp.in.size(), " and ", mlp.out.size(), " elements, expected [", hidden, ", 2] and [", heads, ", ", hidden,
        "]");
  check(window >= 1 && trained_window >= 0 && trained_window != 1, "continuous_bias: a window of ", window,
        ", trained with ", trained_window, "; expected at least 1, and 0 or at least 2");
  constexpr double kSpread = 8;
  constexpr double kMost = 16;
  const std::int64_t reach = trained_window > 0 ? trained_window : window;
  const auto coordinate = [&](std::int64_t offset) {
    if (offset == 0) return 0.0;
    const auto distance = static_cast<double>(std::abs(offset));
    const double x = std::log2(1 + kSpread * distance / static_cast<double>(reach - 1)) / std::log2(kSpread);
    return offset < 0 ? -x : x;
  };
  const std::int64_t offsets = 2 * window - 1;
  std::vector<float> table;
  table.reserve(offsets * offsets * heads);
  std::vector<double> activated(hidden);
  for (std::int64_t i = 0; i < offsets * offsets; ++i) {
    const double y = coordinate(i / offsets - window + 1);
    const double x = coordinate(i % offsets - window + 1);
    for (std::int64_t j = 0; j < hidden; ++j) {
      activated[j] = std::max(0.0, mlp.in[2 * j] * y + mlp.in[2 * j + 1] * x + mlp.in_bias[j]);
    }
    for (std::int64_t h = 0; h < heads; ++h) {
      double sum = 0;
      for (std::int64_t j = 0; j < hidden; ++j) sum += mlp.out[h * hidden + j] * activated[j];
      table.push_back(static_cast<float>(kMost / (1 + std::exp(-sum))));
    }
  }
  return table;
}

}  // namespace vitq
