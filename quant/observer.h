#pragma once
// What range should the codes of an activation cover? Percentile search over calibration values: per tensor, per
// channel, per head, and symmetric (docs/quantization.md, section "Codes and grids").

#include <cstdint>
#include <span>
#include <vector>

#include "quant/uniform.h"

namespace vitq {

/// Rows of `columns` floats, `stride` floats apart; not owned. q, k and v are such slices of one qkv matrix.
struct FloatRows {
  const float* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t stride = 0;

  FloatRows(const float* first, std::int64_t row_count, std::int64_t column_count, std::int64_t step)
      : data(first), rows(row_count), columns(column_count), stride(step) {}
  /// All of `values` as one row.
  // NOLINTBEGIN(google-explicit-constructor): any floats are such rows
  FloatRows(std::span<const float> values) : FloatRows(values.data(), 1, std::ssize(values), std::ssize(values)) {}
  FloatRows(const std::vector<float>& values) : FloatRows(std::span(values)) {}
  // NOLINTEND(google-explicit-constructor)
};

/// The quantizer found, and its mean squared error on the values it was found on.
struct Observation {
  UniformGrid grid;
  int bits = 8;
  double mse = 0;
};

/// For p in {0.999, 0.9999, 0.99999, 1}: hi = quantile(p), lo = quantile(1 - p), scale = (hi - lo) / (2^bits - 1),
/// zero point = round(-lo / scale), codes 0..2^bits - 1; the p of least mean squared error. (With p = 1,
/// the whole range, DeiT-T at W8A8 gains 0.2 dB of logit SQNR.) Quantiles are exact over
/// all values, with linear interpolation (numpy's default). A range below 1e-8, or below 1e-4 of the larger of |lo| and
/// |hi|, is widened to that, so that constant values have a scale and |zero_point| < 2.6e6.
/// The result does not depend on the number of threads. Memory: a copy where stride != columns, and what lies beyond
/// the quantiles (the address space of a copy is reserved; no more of it is touched than those).
/// Throws Error unless 3 <= bits <= 8, there is a value, and all are finite.
Observation observe_tensor(const FloatRows& rows, int bits);

/// The four grids among which observe_tensor chooses, the narrowest first.
std::vector<UniformGrid> tensor_candidates(const FloatRows& rows, int bits);

/// Whether the values are all but the same: the range of observe_tensor would be widened. Codes of such a range hold
/// for nothing else.
bool is_flat(const FloatRows& rows);

/// How many columns are.
std::int64_t flat_columns(const FloatRows& rows);

/// observe_tensor for each column. The ranges are also widened to 1 % of the median range across columns.
/// Memory: one transposed copy.
std::vector<Observation> observe_channels(const FloatRows& values, int bits);

/// observe_tensor for each of `heads` equal groups of neighbouring columns.
std::vector<Observation> observe_heads(const FloatRows& values, std::int64_t heads, int bits);

/// Signed codes with zero point 0, for s8 operands: scale = quantile(p) of |x| / (2^(bits-1) - 1), codes
/// -(2^(bits-1) - 1) .. 2^(bits-1) - 1, p and the rest as for observe_tensor.
Observation observe_symmetric(const FloatRows& rows, int bits);

/// The symmetric grid that reaches every value: for queries and keys, of which a range found by squared error cuts off
/// the few large ones that decide which tokens are looked at.
UniformGrid symmetric_range(const FloatRows& rows, int bits);

}  // namespace vitq
