#pragma once
// Bias correction: the mean output error of a quantized linear layer over the calibration set is taken into its bias
// (docs/quantization.md, section "Bias correction").

#include <cstdint>
#include <span>
#include <vector>

#include "quant/observer.h"
#include "quant/weights.h"

namespace vitq {

/// The mean of each column of rows that come some at a time.
class ColumnMeans {
 public:
  explicit ColumnMeans(std::int64_t columns) : sums_(columns) {}

  /// Summed in double, in the order of the rows.
  void add(const FloatRows& values);
  /// [rows, columns] dense; exact.
  void add(std::span<const std::uint8_t> codes);

  /// Throws Error without rows.
  [[nodiscard]] std::vector<double> means() const;
  /// The same of codes that are on a grid: (mean - zero point) * scale.
  [[nodiscard]] std::vector<double> decoded_means(const UniformGrid& grid) const;

 private:
  std::vector<double> sums_;
  std::int64_t rows_ = 0;
};

/// bias + weight mean_input - quantized mean_quantized_input, in double: with it, the mean over the calibration set of
/// the layer's quantized output is that of the float layer.
/// weight: [out, in] and bias: [out] (or empty: zeros), either as they were before fold_linear, with mean_input the
/// mean of the LayerNorm's float output, or both folded, with its folded mean. mean_input is the float input of the
/// *quantized stream*, before this layer's own quantizer; mean_quantized_input that of its decoded codes.
std::vector<float> correct_bias(std::span<const float> weight, std::span<const float> bias, const RowCodes& quantized,
                                std::span<const double> mean_input, std::span<const double> mean_quantized_input);

}  // namespace vitq
