#pragma once
// Code books for inputs that no uniform grid of few levels fits: of GELU's outputs, three quarters and more lie within
// [-0.17, 0) while the largest is 3.5 to 12 (docs/quantization.md, section "Code books").

#include <cstdint>
#include <span>
#include <vector>

#include "quant/observer.h"

namespace vitq {

/// 2^bits levels on an 8-bit grid: a code of `bits` bits stands for one of them, and runs as that u8.
struct LevelFit {
  UniformGrid grid;                  ///< of 8 bits
  std::vector<std::uint8_t> levels;  ///< codes of the grid, strictly ascending
  double mse = 0;                    ///< of the values, rounded to the grid and then to the nearest level
};

/// The levels of least squared error (Lloyd, Max), for the best of the four grids of observe_tensor. As there are only
/// 256 places for a level, the optimum is found exactly, by dynamic programming, rather than by Lloyd's iteration; it
/// takes into account that values are rounded to the grid first. The result does not depend on the number of threads.
/// Throws as observe_tensor does; bits 3 to 7.
LevelFit fit_levels(const FloatRows& values, int bits);

/// 2^bits levels, strictly ascending within +-63, for the weights [rows, inputs] of a layer: those of least squared
/// error when each row is scaled so that level 63 stands for kLevelReach times its root mean square
/// (weight_level_scale), and rounded to whole steps before it goes to the nearest level. So narrow that every CPU
/// multiplies them exactly (engine/gemm/onednn.h). bits 3 to 5.
std::vector<std::int8_t> fit_weight_levels(std::span<const float> weight, std::int64_t rows, int bits);

inline constexpr double kLevelReach = 4.5;

/// What level 1 stands for in a row, at least 1e-10.
float weight_level_scale(std::span<const float> row);

}  // namespace vitq
