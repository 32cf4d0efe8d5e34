#pragma once
// Products of floats where the CPU has AVX2 and FMA, and no AVX-512. oneDNN 2.6.3 falls there to half its speed and
// below for some shapes, those of an MLP's first layer among them: 1536 or more outputs of fewer rows than some
// hundreds (docs/speed.md).

#include <cstdint>
#include <span>

#include "engine/tensor.h"

namespace vitq {

/// Weights f32 [outputs, inputs] and their bias, repacked. Immutable.
class FloatPanels {
 public:
  /// Whether these multiply floats here: AVX2 on the CPU, and oneDNN, which follows VITQ_ISA and ONEDNN_MAX_CPU_ISA,
  /// at AVX2 too.
  static bool are_used();

  /// bias: [outputs] or empty.
  FloatPanels(std::span<const float> weight, std::span<const float> bias, std::int64_t outputs, std::int64_t inputs);

  /// Groups of outputs that can be multiplied apart.
  [[nodiscard]] std::int64_t panels() const;

  /// dst = src W^T + bias, or dst += that, for the outputs of panels [first, last), on the calling thread. src: f32
  /// [rows, inputs], dst: f32 [rows, outputs]; rows of both may be strided. The order of each sum depends on the number
  /// of inputs alone: a row has the same bits whatever stands beside it.
  void multiply(const Tensor& src, const Tensor& dst, bool accumulate, std::int64_t first, std::int64_t last) const;

 private:
  std::int64_t outputs_;
  std::int64_t inputs_;
  Buffer weights_;  // [panels, inputs, 16 outputs]
  Buffer bias_;     // [panels, 16 outputs] or nothing
};

}  // namespace vitq
