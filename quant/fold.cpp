#include "quant/fold.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/error.h"
#include "engine/threads.h"

namespace vitq {

namespace {

constexpr double kDeviations = 3;

double median(std::vector<double> values) {
  const auto middle = values.begin() + std::ssize(values) / 2;
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return (*std::max_element(values.begin(), middle) + *middle) / 2;
}

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

void check_channels(const ChannelScales& channels) {
  check(!channels.scale.empty() && channels.scale.size() == channels.zero_point.size(), "fold: ", channels.scale.size(),
        " scales and ", channels.zero_point.size(), " zero points, expected one of each a channel");
  for (std::size_t c = 0; c < channels.scale.size(); ++c) {
    check(channels.scale[c] > 0 && std::isfinite(channels.scale[c]), "fold: the scale of channel ", c, " is ",
          channels.scale[c], ", expected a positive number");
  }
}

// Scales and zero points of the channels whose scale is near the median.
void keep_near_median(std::vector<double>& scales, std::vector<double>& zero_points) {
  const double centre = median(scales);
  std::vector<double> deviations;
  deviations.reserve(scales.size());
  for (const double scale : scales) deviations.push_back(std::fabs(scale - centre));
  const double most = kDeviations * mean(deviations);
  std::vector<double> near_scales;
  std::vector<double> near_zero_points;
  for (std::size_t c = 0; c < scales.size(); ++c) {
    if (deviations[c] > most) continue;
    near_scales.push_back(scales[c]);
    near_zero_points.push_back(zero_points[c]);
  }
  scales = std::move(near_scales);
  zero_points = std::move(near_zero_points);
}

}  // namespace

ChannelScales fold_scales(std::span<const Observation> channels, double strength) {
  check(!channels.empty(), "fold: no channels");
  check(strength >= 0 && strength <= 1, "fold: strength ", strength, ", expected 0 to 1");
  double most = 0;
  for (const Observation& channel : channels) most = std::max(most, static_cast<double>(channel.grid.scale));
  ChannelScales result;
  for (const Observation& channel : channels) {
    double scale = channel.grid.scale;
    double zero_point = channel.grid.zero_point;
    if (strength < 1) {
      const double middle = ((1 << channel.bits) - 1) / 2.0;
      const double centre = (middle - zero_point) * scale;
      scale = most * std::pow(scale / most, strength);
      zero_point = std::nearbyint(middle - centre / scale);
    }
    result.scale.push_back(static_cast<float>(scale));
    result.zero_point.push_back(static_cast<std::int32_t>(zero_point));
  }
  return result;
}

LayerScale layer_scale(const ChannelScales& channels, ScaleFactor method) {
  check_channels(channels);
  std::vector<double> scales(channels.scale.begin(), channels.scale.end());
  std::vector<double> zero_points(channels.zero_point.begin(), channels.zero_point.end());
  if (method == ScaleFactor::kMad) keep_near_median(scales, zero_points);
  const auto middle = method == ScaleFactor::kMean ? mean : [](const std::vector<double>& v) { return median(v); };
  return {static_cast<float>(middle(scales)), static_cast<std::int32_t>(std::nearbyint(middle(zero_points)))};
}

CodeNorm fold_layer_norm(std::span<const float> gamma, std::span<const float> beta, const ChannelScales& channels) {
  check_channels(channels);
  check(gamma.size() == channels.scale.size() && beta.size() == gamma.size(), "fold: gamma has ", gamma.size(),
        " channels, beta ", beta.size(), ", expected ", channels.scale.size());
  CodeNorm result;
  for (std::size_t c = 0; c < gamma.size(); ++c) {
    const double scale = channels.scale[c];
    result.gain.push_back(static_cast<float>(gamma[c] / scale));
    result.shift.push_back(static_cast<float>(beta[c] / scale + channels.zero_point[c]));
  }
  return result;
}

FoldedLinear fold_linear(std::span<const float> weight, std::span<const float> bias, const ChannelScales& channels,
                         const LayerScale& layer) {
  check_channels(channels);
  check(layer.scale > 0, "fold: the layer's scale is ", layer.scale, ", expected a positive number");
  const std::int64_t in = std::ssize(channels.scale);
  const std::int64_t out = std::ssize(weight) / in;
  check(out * in == std::ssize(weight), "fold: the weight has ", weight.size(), " elements, expected rows of ", in);
  check(bias.empty() || std::ssize(bias) == out, "fold: the bias has ", bias.size(), " elements, expected ", out);
  std::vector<double> ratio(in);
  std::vector<double> offset(in);
  for (std::int64_t c = 0; c < in; ++c) {
    const double scale = channels.scale[c];
    ratio[c] = scale / layer.scale;
    offset[c] = scale * (static_cast<double>(layer.zero_point) - channels.zero_point[c]);
  }
  FoldedLinear result{std::vector<float>(weight.size()), std::vector<float>(out)};
  parallel_for(out, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t o = begin; o < end; ++o) {
      double sum = bias.empty() ? 0.0 : bias[o];
      for (std::int64_t c = 0; c < in; ++c) {
        const double w = weight[o * in + c];
        result.weight[o * in + c] = static_cast<float>(w * ratio[c]);
        sum += w * offset[c];
      }
      result.bias[o] = static_cast<float>(sum);
    }
  });
  return result;
}

FoldedLinear fold_pixels(std::span<const float> weight, std::span<const float> bias, const PixelScale& scale,
                         std::int64_t plane) {
  const std::int64_t in = 3 * plane;
  const std::int64_t out = std::ssize(weight) / in;
  check(out * in == std::ssize(weight), "fold: the weight has ", weight.size(), " elements, expected rows of ", in);
  FoldedLinear result{{weight.begin(), weight.end()}, std::vector<float>(out)};
  for (std::int64_t o = 0; o < out; ++o) {
    double sum = bias.empty() ? 0.0 : bias[o];
    for (std::int64_t c = 0; c < in; ++c) {
      float& w = result.weight[o * in + c];
      w /= scale.gain[c / plane];
      sum -= double{w} * scale.shift[c / plane];
    }
    result.bias[o] = static_cast<float>(sum);
  }
  return result;
}

}  // namespace vitq
