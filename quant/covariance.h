#pragma once
// Second moments of a layer's integer inputs: with them the error that rounded weights make in the layer's output is a
// quadratic form of the weights, and the inputs need not be kept (docs/quantization.md, section "Rounding
// weights").

#include <cstdint>
#include <span>
#include <vector>

#include "engine/gemm/gemm.h"

namespace vitq {

/// Collects codes in one pass. Memory: inputs^2 doubles and as many floats, and one block of rows, however many rows
/// there are.
class Covariance {
 public:
  explicit Covariance(std::int64_t inputs);

  /// codes: [rows, inputs] dense, each row as if it were there `times` times. All products are summed exactly.
  void add(Gemm& gemm, std::span<const std::uint8_t> codes, std::int64_t times = 1);

  [[nodiscard]] std::int64_t inputs() const { return inputs_; }

  /// Mean over the rows of (x - zero_point)(x - zero_point)^T, [inputs, inputs]. Throws Error without rows.
  [[nodiscard]] std::vector<double> about(std::int32_t zero_point) const;

 private:
  void add_block(Gemm& gemm, const std::uint8_t* codes, std::int64_t rows, std::int64_t times);

  std::int64_t inputs_;
  std::int64_t rows_ = 0;
  std::vector<std::int64_t> sums_;  // of code - kMiddle
  std::vector<double> products_;    // of pairs of them: integers below 2^53
  std::vector<float> block_;        // one block of rows, as floats
  std::vector<float> block_products_;
};

}  // namespace vitq
