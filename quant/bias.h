#pragma once
// Bias correction: the mean output error of a quantized linear layer over the calibration set is taken into its bias
// (docs/quantization.md, section "Bias correction").

#include <cstdint>
#include <span>
#include <vector>

#include "quant/observer.h"
#include "quant/weights.h"

namespace vitq {

/// Mean of each column, summed in double: mean_input for correct_bias.
std::vector<double> column_means(const FloatRows& values);

/// The same of codes, [rows, columns] dense: mean of (code - zero_point) * scale. Exact up to the last product.
std::vector<double> column_means(std::span<const std::uint8_t> codes, std::int64_t columns, const UniformGrid& grid);

/// bias + weight mean_input - quantized mean_quantized_input, in double: with it, the mean over the calibration set of
/// the layer's quantized output is that of the float layer.
/// weight: [out, in] and bias: [out] (or empty: zeros), either as they were before fold_linear, with mean_input the
/// mean of the LayerNorm's float output, or both folded, with its folded mean. mean_input is the float input of the
/// *quantized stream*, before this layer's own quantizer; mean_quantized_input that of its decoded codes.
std::vector<float> correct_bias(std::span<const float> weight, std::span<const float> bias, const RowCodes& quantized,
                                std::span<const double> mean_input, std::span<const double> mean_quantized_input);

}  // namespace vitq
