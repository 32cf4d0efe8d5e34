#pragma once
// What PackedWeights hold. For this folder only.

#include <dnnl.hpp>
#include <optional>

#include "engine/gemm/byte_panels.h"
#include "engine/gemm/packed_weights.h"
#include "engine/tensor.h"

namespace vitq {

struct PackedWeights::Impl {
  std::optional<BytePanels> panels;  ///< instead of all that follows
  dnnl::memory::desc shape;
  Buffer bytes;
  dnnl::memory::desc bias_shape;  ///< zero where there is no bias
  Buffer bias;
};

}  // namespace vitq
