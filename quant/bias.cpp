#include "quant/bias.h"

#include "engine/error.h"
#include "engine/threads.h"

namespace vitq {

std::vector<double> column_means(const FloatRows& values) {
  check(values.rows > 0 && values.columns > 0, "bias correction: no values (", values.rows, " x ", values.columns,
        "); give at least one picture");
  std::vector<double> means(values.columns);
  for (std::int64_t r = 0; r < values.rows; ++r) {
    const float* row = values.data + r * values.stride;
    for (std::int64_t c = 0; c < values.columns; ++c) means[c] += row[c];
  }
  for (double& mean : means) mean /= static_cast<double>(values.rows);
  return means;
}

std::vector<double> column_means(std::span<const std::uint8_t> codes, std::int64_t columns, const UniformGrid& grid) {
  check(columns > 0 && !codes.empty() && std::ssize(codes) % columns == 0, "bias correction: ", codes.size(),
        " codes cannot be divided into rows of ", columns);
  const std::int64_t rows = std::ssize(codes) / columns;
  std::vector<std::int64_t> sums(columns);
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < columns; ++c) sums[c] += codes[r * columns + c];
  }
  std::vector<double> means(columns);
  for (std::int64_t c = 0; c < columns; ++c) {
    means[c] = (static_cast<double>(sums[c]) / static_cast<double>(rows) - grid.zero_point) * grid.scale;
  }
  return means;
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
