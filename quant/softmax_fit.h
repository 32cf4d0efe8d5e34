#pragma once
// The code book of one layer's softmax values, fitted to a sample of the layer's own attention.

#include <cstdint>
#include <vector>

#include "engine/gemm/gemm.h"
#include "engine/layers/attention.h"
#include "quant/calibrate.h"
#include "quant/site_inputs.h"
#include "quant/tanq.h"

namespace vitq {

struct SoftmaxFit {
  TanqShape shape;                  ///< of TanQ; a = 0 where nothing was searched
  std::vector<std::uint8_t> table;  ///< for softmax_codes; empty: uniform at 8 bits
  double error = 0;                 ///< ||O' - O||^2 / ||O||^2 of the attention output on the sample
};

/// The numbers, rising, of the groups of all pictures that fit_softmax is shown: up to four pictures, or 64 windows,
/// evenly spread.
std::vector<std::int64_t> groups_to_fit(const AttentionShape& shape);

/// Fits to inputs.groups, and of their rows to what AttentionProbe takes. v_scale: the step v will be rounded to. At 8
/// bits TanQ is the uniform code: its levels run on a 255-step grid (engine/kernels/softmax.h), which 256 levels fill.
SoftmaxFit fit_softmax(Gemm& gemm, const AttentionInputs& inputs, float v_scale, int bits, SoftmaxMethod method);

}  // namespace vitq
