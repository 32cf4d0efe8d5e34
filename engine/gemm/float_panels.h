#pragma once
// Products of floats where the CPU has AVX2 and FMA, and no AVX-512. oneDNN 2.6.3 falls there to half its speed and
// below for some shapes, those of an MLP's first layer among them: 1536 or more outputs of fewer rows than some
// hundreds (docs/speed.md).

#include <cstdint>
#include <span>

#include "engine/tensor.h"

namespace vitq {

/// f32 [outputs, inputs] as panels of sixteen outputs, and their bias or null. Not owned.
struct PackedFloats {
  const float* weights = nullptr;  ///< [panels, inputs, 16 outputs], 32-byte aligned
  const float* bias = nullptr;     ///< [panels, 16 outputs]
  std::int64_t inputs = 0, outputs = 0;
};

/// Inputs that are summed in one go: blocks as equal as may be, of which a panel's stay in a core's first cache while
/// rows go by.
constexpr std::int64_t inputs_at_once(std::int64_t inputs) {
  constexpr std::int64_t kMost = 384;
  const std::int64_t blocks = (inputs + kMost - 1) / kMost;
  return (inputs + blocks - 1) / blocks;
}

/// dst = src W^T + bias, or dst += that, for the outputs of panels [first, last), on the calling thread. src: f32
/// [rows, inputs], dst: f32 [rows, outputs]; rows of both may be strided. The order of each sum depends on the number
/// of inputs alone: a row has the same bits whatever stands beside it.
void multiply_panels(const PackedFloats& by, const Tensor& src, const Tensor& dst, bool accumulate, std::int64_t first,
                     std::int64_t last);

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

  /// multiply_panels() by these.
  void multiply(const Tensor& src, const Tensor& dst, bool accumulate, std::int64_t first, std::int64_t last) const;

 private:
  std::int64_t outputs_;
  std::int64_t inputs_;
  Buffer weights_;  // [panels, inputs, 16 outputs]
  Buffer bias_;     // [panels, 16 outputs] or nothing
};

}  // namespace vitq
