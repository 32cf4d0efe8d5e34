#pragma once
// TanQ: a code book for softmax values whose levels lie dense near 0 and near 1 and sparse between, evenly spaced on a
// tangent curve (docs/quantization.md, section "TanQ"), and the table with which the fused softmax kernel runs it.
// vitq encodes e = exp(score - row maximum), in (0, 1], and divides by the sum of the row's own levels.

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/kernels/softmax.h"

namespace vitq {

/// f(x) = tan(pi a (x - c)): steepness a >= 0 and centre c in [0, 1] with a max(c, 1 - c) < 1/2. a = 0 is uniform.
struct TanqShape {
  double steepness = 0;
  double centre = 0;
};

/// f(x); x itself for a = 0 (the limit, up to a factor and a constant, which do not change the levels).
double tanq_curve(double x, const TanqShape& shape);

/// The 2^bits levels, rising: level(q) = f^-1(f(0) + q (f(1) - f(0)) / (2^bits - 1)); exactly 0 first and 1 last.
/// Throws Error for a shape outside the bounds above, or bits outside 3..8.
std::vector<double> tanq_levels(const TanqShape& shape, int bits);

/// Scalar reference of every code book: the code of the level nearest to x, of two equally near the lower; its value is
/// levels[code]. `levels` rise.
int nearest_level(double x, std::span<const double> levels);

/// Entry i is the u8 operand, on a grid of 255 steps, for e = i / 4095. softmax_codes looks up round(4095 e).
inline constexpr int kTableEntries = kSoftmaxTable;
using SoftmaxTable = std::array<std::uint8_t, kTableEntries>;

/// Levels rounded to the 255-step grid (half to even); entry i is the rounded level nearest to i / 4095, of two equally
/// near the lower. `levels` rise from 0 to 1. tanq_levels({}, bits) gives the uniform baseline.
SoftmaxTable level_table(std::span<const double> levels);

/// The shapes searched: c in {0, .1, ..., .7} and a = t / (2 max(c, 1 - c)) for 14 values of t from .05 to .9995.
std::vector<TanqShape> tanq_grid();

}  // namespace vitq
