#pragma once
// What PackedWeights hold. For this folder only.

#include <dnnl.hpp>
#include <variant>

#include "engine/gemm/byte_panels.h"
#include "engine/gemm/float_panels.h"
#include "engine/gemm/packed_weights.h"
#include "engine/tensor.h"

namespace vitq {

/// In the layout that oneDNN wants.
struct ReorderedWeights {
  dnnl::memory::desc shape;
  Buffer bytes;
  dnnl::memory::desc bias_shape;  ///< zero where there is no bias
  Buffer bias;
};

struct PackedWeights::Impl {
  std::variant<ReorderedWeights, FloatPanels, BytePanels> form;
};

}  // namespace vitq
