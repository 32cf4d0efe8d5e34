#pragma once
// Weights repacked once into the layout that their products ask for. They never change afterwards: any number of Gemms
// in any number of threads may multiply by the same copy.

#include <cstdint>
#include <memory>
#include <span>

#include "engine/encoding.h"

namespace vitq {

/// A matrix [outputs, inputs], the second operand of products src W^T. A handle: copies share the packed bytes.
class PackedWeights {
 public:
  /// weight: [outputs, inputs] as checkpoints store it; bias: [outputs] or empty, added to each row of a product. Both
  /// are copied, the weights rounded (half to even) to `as`: f32 or bf16. Throws Error where sizes do not fit.
  static PackedWeights of_floats(std::span<const float> weight, std::span<const float> bias, std::int64_t outputs,
                                 std::int64_t inputs, DType as);
  /// codes: s8 [outputs, inputs], at most 65,536 inputs: the sums with u8 must fit in 32 bits. They must lie in [-64,
  /// 64] where int8_saturates() (engine/gemm/onednn.h).
  static PackedWeights of_codes(std::span<const std::int8_t> codes, std::int64_t outputs, std::int64_t inputs);

  [[nodiscard]] DType dtype() const { return dtype_; }
  [[nodiscard]] std::int64_t inputs() const { return inputs_; }
  [[nodiscard]] std::int64_t outputs() const { return outputs_; }

  struct Impl;
  [[nodiscard]] const Impl& impl() const { return *impl_; }

 private:
  PackedWeights(std::shared_ptr<const Impl> impl, DType dtype, std::int64_t outputs, std::int64_t inputs)
      : impl_(std::move(impl)), dtype_(dtype), outputs_(outputs), inputs_(inputs) {}

  std::shared_ptr<const Impl> impl_;
  DType dtype_;
  std::int64_t outputs_;
  std::int64_t inputs_;
};

}  // namespace vitq
