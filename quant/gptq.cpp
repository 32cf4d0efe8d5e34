#include "quant/gptq.h"

#include <Eigen/Cholesky>
#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>

#include "engine/error.h"
#include "engine/kernels/search.h"
#include "engine/threads.h"
#include "quant/lloyd_max.h"

namespace vitq {

namespace {

constexpr double kDamping = 0.01;
using rows::kPlanes;

// H = C C^T with the columns in `order`, so that d H d^T is the sum over i of (sum over j >= i of C[j, i] d[j])^2.
// Rounding from the last column to the first, each new d[i] can make its own term small and changes none before it.
struct Triangle {
  std::int64_t size = 0;
  std::vector<std::int64_t> order;  // rising H_cc: the largest is last, and is rounded first
  std::vector<float> below;         // C[j, i] / C[i, i] for j > i, column after column
  std::vector<float> weight;        // C[i, i]^2
};

std::vector<std::int64_t> rising(std::span<const double> moments, std::int64_t size) {
  std::vector<std::int64_t> order(size);
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, {}, [&](std::int64_t c) { return moments[c * size + c]; });
  return order;
}

Triangle factorise(std::span<const double> moments, std::int64_t size) {
  Triangle result{.size = size, .order = rising(moments, size), .below = {}, .weight = {}};
  double trace = 0;
  for (std::int64_t c = 0; c < size; ++c) trace += moments[c * size + c];
  // Inputs that are all zero leave H zero: any damping will do.
  const double mean = trace > 0 ? trace / static_cast<double>(size) : 1.0;
  Eigen::MatrixXd h(size, size);
  for (double damping = kDamping;; damping *= 10) {
    for (std::int64_t j = 0; j < size; ++j) {
      const double* row = &moments[result.order[j] * size];
      for (std::int64_t i = 0; i < size; ++i) h(i, j) = row[result.order[i]];
      h(j, j) += damping * mean;
    }
    const Eigen::LLT<Eigen::Ref<Eigen::MatrixXd>> in_place(h);
    if (in_place.info() == Eigen::Success) break;
  }
  for (std::int64_t i = 0; i < size; ++i) {
    const double diagonal = h(i, i);
    result.weight.push_back(static_cast<float>(diagonal * diagonal));
    for (std::int64_t j = i + 1; j < size; ++j) result.below.push_back(static_cast<float>(h(j, i) / diagonal));
  }
  return result;
}

// What a code may be: a level, or where there are none any whole number.
struct Levels {
  std::vector<float> at;
  std::vector<float> border;  // above border[k], in the middle between the two, level k + 1 is nearer than level k
};

Levels levels_of(std::span<const std::int8_t> codes) {
  Levels levels{.at = {codes.begin(), codes.end()}, .border = {}};
  for (std::size_t k = 1; k < levels.at.size(); ++k) levels.border.push_back((levels.at[k - 1] + levels.at[k]) / 2);
  return levels;
}

// One row of weights on one grid.
struct Rounding {
  std::int64_t row = 0;
  UniformGrid grid;
};

// One thread's memory: [size, kPlanes], and the grids of the roundings that go on side by side.
struct Scratch {
  std::vector<float> values;
  std::vector<std::int8_t> codes;
  std::array<float, kPlanes> scale{}, inverse{}, lowest{}, highest{}, error{};
};

// What all roundings of a layer share.
struct Problem {
  std::span<const float> weight;
  Triangle triangle;
  Levels levels;
};

// At most kPlanes roundings at once. Writes the error of each; codes [rows, inputs], if any, receives its codes.
void round_rows(const Problem& problem, std::span<const Rounding> roundings, Scratch& scratch, float* errors,
                std::int8_t* codes) {
  const auto& [weight, triangle, levels] = problem;
  const std::int64_t size = triangle.size;
  for (std::int64_t lane = 0; lane < kPlanes; ++lane) {
    // Lanes without a rounding of their own repeat the last.
    const auto& [row, grid] = roundings[std::min(lane, std::ssize(roundings) - 1)];
    for (std::int64_t i = 0; i < size; ++i) scratch.values[i * kPlanes + lane] = weight[row * size + triangle.order[i]];
    scratch.scale[lane] = grid.scale;
    scratch.inverse[lane] = 1.0F / grid.scale;
    scratch.lowest[lane] = static_cast<float>(grid.lowest);
    scratch.highest[lane] = static_cast<float>(grid.highest);
  }
  round_to_nearest_planes({.size = size,
                           .below = triangle.below.data(),
                           .weight = triangle.weight.data(),
                           .levels = levels.at.empty() ? nullptr : levels.at.data(),
                           .borders = levels.border.data(),
                           .level_count = std::ssize(levels.at),
                           .scale = scratch.scale.data(),
                           .inverse = scratch.inverse.data(),
                           .lowest = scratch.lowest.data(),
                           .highest = scratch.highest.data(),
                           .values = scratch.values.data(),
                           .error = scratch.error.data(),
                           .codes = codes != nullptr ? scratch.codes.data() : nullptr});
  for (std::int64_t lane = 0; lane < std::ssize(roundings); ++lane) {
    errors[lane] = scratch.error[lane];
    if (codes == nullptr) continue;
    std::int8_t* row = codes + roundings[lane].row * size;
    for (std::int64_t i = 0; i < size; ++i) row[triangle.order[i]] = scratch.codes[i * kPlanes + lane];
  }
}

// The same for any number of them, on all threads.
std::vector<float> round_all(const Problem& problem, std::span<const Rounding> roundings, std::int8_t* codes) {
  const std::int64_t size = problem.triangle.size;
  std::vector<float> errors(roundings.size());
  const std::int64_t chunks = (std::ssize(roundings) + kPlanes - 1) / kPlanes;
  const std::int64_t threads = std::min<std::int64_t>(current_threads(), chunks);
  std::vector<Scratch> scratch(threads);
  for (Scratch& own : scratch) {
    own.values.resize(size * kPlanes);
    own.codes.resize(codes != nullptr ? size * kPlanes : 0);
  }
  parallel_for(threads, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t thread = begin; thread < end; ++thread) {
      for (std::int64_t chunk = thread; chunk < chunks; chunk += threads) {
        const std::int64_t first = chunk * kPlanes;
        const auto part = roundings.subspan(first, std::min<std::int64_t>(kPlanes, std::ssize(roundings) - first));
        round_rows(problem, part, scratch[thread], &errors[first], codes);
      }
    }
  });
  return errors;
}

std::vector<UniformGrid> level_candidates(std::span<const float> row, std::span<const std::int8_t> levels) {
  constexpr int kCount = 24;
  const float usual = weight_level_scale(row);
  std::vector<UniformGrid> candidates;
  for (int i = 0; i < kCount; ++i) {
    const double factor = 1.4 - 0.7 * i / (kCount - 1);
    candidates.push_back({static_cast<float>(usual * factor), 0, levels.front(), levels.back()});
  }
  return candidates;
}

}  // namespace

RowCodes gptq_rows(std::span<const float> weight, std::int64_t rows, int bits, std::span<const double> moments,
                   std::span<const std::int8_t> levels) {
  check(bits >= 3 && bits <= 8, "gptq: ", bits, " bits, expected 3 to 8");
  check(rows > 0 && !weight.empty() && std::ssize(weight) % rows == 0, "gptq: ", weight.size(),
        " elements cannot be divided into ", rows, " rows");
  const std::int64_t inputs = std::ssize(weight) / rows;
  check(std::ssize(moments) == inputs * inputs, "gptq: ", moments.size(), " moments, expected ", inputs, " x ", inputs);
  check_finite(weight, "weights");
  check(std::ranges::all_of(moments, [](double m) { return std::isfinite(m); }), "gptq: a moment is not finite");
  check(levels.empty() || (std::ssize(levels) == 1 << bits && std::ranges::is_sorted(levels, std::less_equal<>())),
        "gptq: ", levels.size(), " levels, expected ", 1 << bits, ", strictly ascending");
  const Problem problem{.weight = weight, .triangle = factorise(moments, inputs), .levels = levels_of(levels)};

  std::vector<Rounding> candidates;
  for (std::int64_t r = 0; r < rows; ++r) {
    const auto row = weight.subspan(r * inputs, inputs);
    for (const UniformGrid& grid : levels.empty() ? row_candidates(row, bits) : level_candidates(row, levels)) {
      candidates.push_back({r, grid});
    }
  }
  const std::vector<float> errors = round_all(problem, candidates, nullptr);
  std::vector<Rounding> best(rows);
  std::vector<float> least(rows, std::numeric_limits<float>::infinity());
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const std::int64_t row = candidates[i].row;
    if (errors[i] >= least[row]) continue;
    least[row] = errors[i];
    best[row] = candidates[i];
  }

  RowCodes result{.rows = rows, .columns = inputs, .bits = bits};
  result.codes.resize(weight.size());
  result.levels.assign(levels.begin(), levels.end());
  round_all(problem, best, result.codes.data());
  for (const Rounding& rounding : best) {
    result.scales.push_back(rounding.grid.scale);
    if (levels.empty()) result.zero_points.push_back(-rounding.grid.lowest);
  }
  for (std::int64_t i = 0; i < std::ssize(weight); ++i) {
    const double difference = double{weight[i]} - static_cast<double>(result.codes[i]) * result.scales[i / inputs];
    result.squared_error += difference * difference;
  }
  return result;
}

}  // namespace vitq
