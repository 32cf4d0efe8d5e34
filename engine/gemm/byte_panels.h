#pragma once
// Products of bytes where the CPU has AVX2 and no VNNI. Its instruction for bytes, vpmaddubsw, adds two products in 16
// bits and saturates: oneDNN is exact there only for weights in [-64, 64]. Here both operands are widened to 16 bits
// and multiplied by vpmaddwd, which is exact. That takes as many multiplications, one for 16 products, as vpmaddubsw
// with the vpmaddwd that has to follow it.

#include <cstdint>
#include <span>

#include "engine/tensor.h"

namespace vitq {

/// Weights s8 [outputs, inputs], repacked. Immutable.
class BytePanels {
 public:
  /// Whether these multiply bytes here: AVX2 on the CPU, and oneDNN, which follows VITQ_ISA and ONEDNN_MAX_CPU_ISA, at
  /// AVX2 too.
  static bool are_used();

  BytePanels(std::span<const std::int8_t> codes, std::int64_t outputs, std::int64_t inputs);

  /// Bytes of the memory that multiply() needs for `rows` rows.
  [[nodiscard]] std::size_t scratch_bytes(std::int64_t rows) const;

  /// dst = src W^T, exactly, on the calling thread. src: u8 [rows, inputs], dst: s32 [rows, outputs]; rows of both may
  /// be strided.
  void multiply(const Tensor& src, const Tensor& dst, std::span<std::byte> scratch) const;

 private:
  std::int64_t outputs_;
  std::int64_t inputs_;
  Buffer panels_;  // [panels, pairs of inputs, 16 outputs, 2 inputs]
};

}  // namespace vitq
