#pragma once
// Weights as integers: one range per output row, found by shrinking the row's own, and the codes that a file stores of
// them (docs/quantization.md, section "Codes and grids").

#include <cstdint>
#include <span>
#include <vector>

#include "quant/uniform.h"

namespace vitq {

/// A quantized weight matrix [rows, columns] as it is executed: value = codes[r, c] * scales[r].
/// What a file stores is codes + zero_points[r], in 0..2^bits - 1 (stored_codes).
struct RowCodes {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  int bits = 8;
  std::vector<std::int8_t> codes = {};
  std::vector<float> scales = {};
  std::vector<std::int32_t> zero_points = {};  // of the stored codes, in 0..127; empty with levels
  std::vector<std::int8_t> levels = {};        // where there are any, every code is one of them
  double squared_error = 0;                    // sum over all elements
};

/// The grids among which a row's is searched, the widest first, with zero_point 0 and codes that fit s8.
/// 8 bits: symmetric, +-127, range max |w| r for 9 values of r in [.8, 1]. Below: asymmetric, with lo = min(w, 0) r and
/// hi = max(w, 0) r for 24 values of r in [.45, 1], codes -z .. 2^bits - 1 - z, z = round(-lo / scale). A scale is at
/// least 1e-10, so that rows of zeros have one. The row must not be empty; bits 3 to 8.
std::vector<UniformGrid> row_candidates(std::span<const float> row, int bits);

/// The one of row_candidates with the least squared error. Throws Error unless 3 <= bits <= 8 and all weights are
/// finite.
UniformGrid search_row_grid(std::span<const float> row, int bits);

/// Every row of weight [rows, columns] rounded to the nearest code of its search_row_grid.
RowCodes quantize_rows(std::span<const float> weight, std::int64_t rows, int bits);

/// codes + zero point of the row: [rows, columns], each in 0..2^bits - 1, ready for pack_bits (weights/packing.h).
std::vector<std::uint8_t> stored_codes(const RowCodes& weights);

/// The reverse, for what a file says: stored [rows, columns], one zero point a row. Throws Error where a zero point
/// lies outside 0..127 or a code minus it outside s8.
std::vector<std::int8_t> executed_codes(std::span<const std::uint8_t> stored,
                                        std::span<const std::int32_t> zero_points);

}  // namespace vitq
