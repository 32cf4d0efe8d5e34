#pragma once
// GPTQ (Frantar et al., arXiv 2210.17323): weights rounded one column after the other, each taking up the output error
// of those before it. Computed by the nearest-plane rule of lattices, which is the same (Chen et al., arXiv 2507.18553)
// and needs one Cholesky factor and no inverse.

#include <cstdint>
#include <span>

#include "quant/weights.h"

namespace vitq {

/// Rounds weight [rows, inputs] to `bits` bits so that the sum over the rows of d H d^T, d = weight - codes * scale, is
/// small. moments: H, [inputs, inputs], symmetric and without negative eigenvalues but for rounding (Covariance).
/// H gets 1 % of its mean diagonal added to the diagonal, as the paper has it; more, tenfold each time, where it is
/// singular all the same. Columns of large H_cc come first. The range of each row is the one of its candidates
/// (quant/weights.h, row_candidates) whose codes, rounded like this, make the least error.
/// levels: of a code book (fit_weight_levels), 2^bits, strictly ascending, which all codes are then taken from; the
/// scales tried for a row are 24 in [.7, 1.4] times its weight_level_scale. Empty: evenly spaced codes.
/// The result does not depend on the number of threads. Throws Error unless 3 <= bits <= 8, the sizes fit, and all is
/// finite.
RowCodes gptq_rows(std::span<const float> weight, std::int64_t rows, int bits, std::span<const double> moments,
                   std::span<const std::int8_t> levels = {});

}  // namespace vitq
