#include "quant/bias.h"

#include "engine/error.h"
#include "engine/threads.h"

namespace vitq {

void ColumnMeans::add(const FloatRows& values) {
  check(values.columns == std::ssize(sums_), "bias correction: rows of ", values.columns, ", expected ", sums_.size());
  for (std::int64_t r = 0; r < values.rows; ++r) {
    const float* row = values.data + r * values.stride;
    for (std::int64_t c = 0; c < values.columns; ++c) sums_[c] += row[c];
  }
  rows_ += values.rows;
}

void ColumnMeans::add(std::span<const std::uint8_t> codes) {
  const std::int64_t columns = std::ssize(sums_);
  check(columns > 0 && std::ssize(codes) % columns == 0, "bias correction: ", codes.size(),
        " codes cannot be divided into rows of ", columns);
  const std::int64_t rows = std::ssize(codes) / columns;
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < columns; ++c) sums_[c] += codes[r * columns + c];
  }
  rows_ += rows;
}

std::vector<double> ColumnMeans::means() const {
  check(rows_ > 0, "bias correction: no rows; give at least one picture");
  std::vector<double> means = sums_;
  for (double& mean : means) mean /= static_cast<double>(rows_);
  return means;
}

std::vector<double> ColumnMeans::decoded_means(const UniformGrid& grid) const {
  std::vector<double> decoded = means();
  for (double& mean : decoded) mean = (mean - grid.zero_point) * grid.scale;
  return decoded;
}

std::vector<float> correct_bias(std::span<const float> weight, std::span<const float> bias, const RowCodes& quantized,
                                std::span<const double> mean_input, std::span<const double> mean_quantized_input) {
  const std::int64_t out = quantized.rows;
  const std::int64_t in = quantized.columns;
  check(std::ssize(weight) == out * in, "bias correction: the weight has ", weight.size(), " elements, expected ", out,
        " x ", in);
  check(bias.empty() || std::ssize(bias) == out, "bias correction: the bias has ", bias.size(), " elements, expected ",
        out);
  check(std::ssize(mean_input) == in && std::ssize(mean_quantized_input) == in, "bias correction: ", mean_input.size(),
        " and ", mean_quantized_input.size(), " input means, expected ", in);
  std::vector<float> corrected(out);
  parallel_for(out, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t o = begin; o < end; ++o) {
      double expected = bias.empty() ? 0.0 : bias[o];
      double codes = 0;
      for (std::int64_t c = 0; c < in; ++c) {
        expected += static_cast<double>(weight[o * in + c]) * mean_input[c];
        codes += quantized.codes[o * in + c] * mean_quantized_input[c];
      }
      corrected[o] = static_cast<float>(expected - codes * quantized.scales[o]);
    }
  });
  return corrected;
}

}  // namespace vitq
