#pragma once
// Code books for inputs that no uniform grid of few levels fits: of GELU's outputs, three quarters and more lie within
// [-0.17, 0) while the largest is 3.5 to 12 (design: quantization, section 6).

#include <cstdint>
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

}  // namespace vitq
