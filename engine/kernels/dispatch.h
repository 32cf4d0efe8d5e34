#pragma once
// The loops of the row kernels, compiled for several instruction sets, and which of them run. All tables compute the
// same bits (tests/kernel_isa_test.cpp).

#include <cstdint>
#include <vector>

#include "engine/kernels/arguments.h"

namespace vitq {

/// A loop over the rows (or elements) [begin, end), on one thread.
template <class Arguments>
using RangeKernel = void (*)(const Arguments& all, std::int64_t begin, std::int64_t end);

/// The loops as compiled for one instruction set. What each computes is said where it is called from: layer_norm.h,
/// l2_norm.h, softmax.h, activation.h, requantize.h, heads.h, rotate.h, code_book.h, search.h.
struct KernelTable {
  const char* name;  ///< "sse4", "avx2", "avx512", "avx512_vbmi"
  RangeKernel<rows::LayerNorm> layer_norm, layer_norm_added, layer_norm_bf16, layer_norm_codes;
  RangeKernel<rows::L2Norm> l2_norm;
  RangeKernel<rows::Softmax> softmax, softmax_bf16;
  RangeKernel<rows::SoftmaxCodes> softmax_codes;
  RangeKernel<rows::Activate> activate, activate_bf16;
  RangeKernel<rows::Gate> gate, gate_bf16, gate_codes;
  RangeKernel<rows::Rotate> rotate;
  RangeKernel<rows::Requantize> sums_to_floats, scaled_sums_to_floats, sums_to_codes;
  RangeKernel<rows::QuantizeRows> quantize_rows;
  RangeKernel<rows::Quantize> quantize, round_to_bf16;
  RangeKernel<rows::SplitHeads> split_heads;
  RangeKernel<rows::MergeHeads> merge_heads;
  rows::LookUp look_up;
  double (*rounding_error)(const float* values, std::int64_t count, const rows::Grid& grid);
  bool (*all_finite)(const float* values, std::int64_t count);
  double (*attention_error)(const rows::AttentionRow& row);
  void (*nearest_planes)(const rows::NearestPlanes& all);
};

/// The table that runs: the widest that isa() (engine/isa.h) allows, chosen at the first call, unless a KernelScope
/// says otherwise. Any thread may call it. Throws Error where VITQ_ISA is none of its values.
const KernelTable& kernels();

/// The tables that isa() allows, the narrowest first; that of x86-64-v2 is always one.
std::vector<const KernelTable*> available_kernels();

/// While it lives, kernels() is `table`, in every thread. For tests and benchmarks: calls in other threads change over
/// at any moment, which no result shows. Scopes end in the reverse order of their beginning.
class KernelScope {
 public:
  explicit KernelScope(const KernelTable& table);
  ~KernelScope();
  KernelScope(const KernelScope&) = delete;
  KernelScope& operator=(const KernelScope&) = delete;

 private:
  const KernelTable* previous_;
};

}  // namespace vitq
