#pragma once
// Products of bytes where the CPU has AVX2 and no VNNI. Its instruction for bytes, vpmaddubsw, adds two products in 16
// bits and saturates: oneDNN is exact there only for weights in [-64, 64]. Where weights leave that range, both
// operands are widened to 16 bits here and multiplied by vpmaddwd, which is exact: as many multiplications, one for 16
// products, as vpmaddubsw with the vpmaddwd that has to follow it, but more additions. Codes of five bits and less are
// another matter: their products can be summed in 16 bits for a while, and vpmaddubsw alone multiplies 32.

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

  /// Groups of outputs that can be multiplied apart.
  [[nodiscard]] std::int64_t panels() const;

  /// Bytes of the memory that multiply() needs for `rows` rows.
  [[nodiscard]] std::size_t scratch_bytes(std::int64_t rows) const;

  /// dst = src W^T, exactly, for the outputs of panels [first, last), on the calling thread. src: u8 [rows, inputs],
  /// dst: s32 [rows, outputs]; rows of both may be strided.
  void multiply(const Tensor& src, const Tensor& dst, std::span<std::byte> scratch, std::int64_t first,
                std::int64_t last) const;

 private:
  [[nodiscard]] std::int64_t step() const { return steps_ > 0 ? 4 : 2; }
  // Those of a row, padded with zeros to whole steps.
  [[nodiscard]] std::int64_t padded_inputs() const { return (inputs_ + step() - 1) / step() * step(); }

  std::int64_t outputs_;
  std::int64_t inputs_;
  std::int64_t steps_;  // of four inputs, over which sums stay within 16 bits; 0: not even those of one
  Buffer panels_;       // [panels, steps of inputs, 16 outputs, 2 or 4 inputs]
};

}  // namespace vitq
