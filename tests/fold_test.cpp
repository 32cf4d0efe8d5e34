#include "quant/fold.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/error.h"
#include "quant/weights.h"
#include "tests/random.h"

using namespace vitq;
using test::random_floats;

namespace {

constexpr int kChannels = 24;
constexpr int kOut = 10;

Observation observation(float scale, std::int32_t zero_point, int bits = 8) {
  return {{scale, zero_point, 0, (1 << bits) - 1}, bits, 0};
}

ChannelScales random_channels(std::uint64_t seed) {
  ChannelScales channels;
  for (const float x : random_floats(kChannels, seed, -3, 3)) {
    channels.scale.push_back(0.02F * std::exp(x));
    channels.zero_point.push_back(static_cast<std::int32_t>(128 + 40 * x));
  }
  return channels;
}

// Powers of two and small whole numbers, so that nothing is rounded anywhere.
ChannelScales dyadic_channels() {
  ChannelScales channels;
  for (int c = 0; c < kChannels; ++c) {
    channels.scale.push_back(std::ldexp(1.0F, c % 5 - 4));
    channels.zero_point.push_back(c * 17 % 200 - 30);
  }
  return channels;
}

}  // namespace

TEST_CASE("median, mean and MAD of the channels") {
  ChannelScales channels{{1, 2, 3, 4, 100}, {10, 20, 30, 41, 200}};
  CHECK(layer_scale(channels, ScaleFactor::kMedian).scale == 3.0F);
  CHECK(layer_scale(channels, ScaleFactor::kMedian).zero_point == 30);
  CHECK(layer_scale(channels, ScaleFactor::kMean).scale == 22.0F);
  CHECK(layer_scale(channels, ScaleFactor::kMean).zero_point == 60);  // 60.2
  // Deviations from 3: 2 1 0 1 97, mean 20.2, three of them 60.6: the last channel goes.
  CHECK(layer_scale(channels, ScaleFactor::kMad).scale == 2.5F);
  CHECK(layer_scale(channels, ScaleFactor::kMad).zero_point == 25);
  channels = {{4, 1, 3, 2}, {0, 3, 2, 1}};
  CHECK(layer_scale(channels, ScaleFactor::kMedian).scale == 2.5F);
  CHECK(layer_scale(channels, ScaleFactor::kMedian).zero_point == 2);  // 1.5, half to even
}

TEST_CASE("the folded LayerNorm emits the channel-wise code, whatever s~ and z~ are") {
  const ChannelScales channels = random_channels(1);
  const auto gamma = random_floats(kChannels, 2, 0.1F, 2);
  const auto beta = random_floats(kChannels, 3);
  const auto xhat = random_floats(kChannels * 500, 4, -4, 4);
  const CodeNorm norm = fold_layer_norm(gamma, beta, channels);
  for (const LayerScale layer : {layer_scale(channels, ScaleFactor::kMedian), layer_scale(channels, ScaleFactor::kMean),
                                 LayerScale{1, 0}, LayerScale{37, 99}}) {
    int differing = 0;
    for (std::size_t i = 0; i < xhat.size(); ++i) {
      const std::size_t c = i % kChannels;
      const double s = channels.scale[c];
      const double z = channels.zero_point[c];
      // Section 2 word by word: fold, apply the folded LayerNorm, encode with the layer's scale and zero point.
      const double r = s / layer.scale;
      const double folded_gamma = gamma[c] / r;
      const double folded_beta = (beta[c] + s * (z - layer.zero_point)) / r;
      const double y = xhat[i] * folded_gamma + folded_beta;
      const double literal = std::clamp(std::nearbyint(y / layer.scale + layer.zero_point), 0.0, 255.0);
      const float fused = std::clamp(std::nearbyint(xhat[i] * norm.gain[c] + norm.shift[c]), 0.0F, 255.0F);
      CHECK(std::fabs(literal - fused) <= 1);
      differing += literal != fused;
    }
    CHECK(differing <= 12);  // of 12000: float rounding next to a half
  }
}

TEST_CASE("the folded linear layer equals the unfolded one exactly") {
  const ChannelScales channels = dyadic_channels();
  std::vector<float> weight;
  for (const float w : random_floats(kOut * kChannels, 5, -64, 64)) weight.push_back(std::nearbyint(w) / 64);
  std::vector<float> bias;
  for (const float b : random_floats(kOut, 6, -64, 64)) bias.push_back(std::nearbyint(b) / 16);
  std::vector<int> codes;
  for (const float q : random_floats(kChannels, 7, 0, 255)) codes.push_back(static_cast<int>(q));
  for (const LayerScale layer : {LayerScale{0.25F, 77}, LayerScale{2.0F, 0}, LayerScale{0.125F, -12}}) {
    for (const bool biased : {true, false}) {
      const FoldedLinear folded = fold_linear(weight, biased ? bias : std::vector<float>(), channels, layer);
      for (int o = 0; o < kOut; ++o) {
        double before = biased ? bias[o] : 0;
        double after = folded.bias[o];
        for (int c = 0; c < kChannels; ++c) {
          before += double{weight[o * kChannels + c]} * double{channels.scale[c]} * (codes[c] - channels.zero_point[c]);
          after += double{folded.weight[o * kChannels + c]} * double{layer.scale} * (codes[c] - layer.zero_point);
        }
        CHECK(before == after);
      }
    }
  }
}

TEST_CASE("s~ alone cancels out: the quantized folded weights do not depend on it") {
  const ChannelScales channels = random_channels(8);
  const auto weight = random_floats(kOut * kChannels, 9);
  const auto bias = random_floats(kOut, 10);
  for (const int bits : {4, 8}) {
    const FoldedLinear one = fold_linear(weight, bias, channels, {0.5F, 100});
    const FoldedLinear two = fold_linear(weight, bias, channels, {4.0F, 100});
    const FoldedLinear shifted = fold_linear(weight, bias, channels, {0.5F, 90});
    const RowCodes first = quantize_rows(one.weight, kOut, bits);
    const RowCodes second = quantize_rows(two.weight, kOut, bits);
    CHECK(first.codes == second.codes);
    for (int o = 0; o < kOut; ++o) CHECK(first.scales[o] * 0.5F == second.scales[o] * 4.0F);
    CHECK(one.bias == two.bias);
    CHECK(one.weight == shifted.weight);
    CHECK(one.bias != shifted.bias);  // z~ does not cancel
  }
}

TEST_CASE("fold strength: 1 leaves the channels, 0 gives one scale and keeps the centres") {
  std::vector<Observation> channels;
  for (int c = 0; c < kChannels; ++c) channels.push_back(observation(0.01F * static_cast<float>(c + 1), 100 + 3 * c));
  const ChannelScales full = fold_scales(channels);
  const ChannelScales half = fold_scales(channels, 0.5);
  const ChannelScales none = fold_scales(channels, 0);
  for (int c = 0; c < kChannels; ++c) {
    const double scale = channels[c].grid.scale;
    CHECK(full.scale[c] == channels[c].grid.scale);
    CHECK(full.zero_point[c] == channels[c].grid.zero_point);
    CHECK(none.scale[c] == channels[kChannels - 1].grid.scale);
    CHECK(half.scale[c] == doctest::Approx(std::sqrt(scale * 0.01 * kChannels)));
    const double centre = (127.5 - channels[c].grid.zero_point) * scale;
    CHECK(std::fabs((127.5 - none.zero_point[c]) * none.scale[c] - centre) <= 0.501 * none.scale[c]);
    CHECK(std::fabs((127.5 - half.zero_point[c]) * half.scale[c] - centre) <= 0.501 * half.scale[c]);
  }
}

TEST_CASE("folds refuse what does not fit") {
  const ChannelScales channels = random_channels(11);
  const std::vector<float> some(kChannels, 1.0F);
  const std::vector<float> few(kChannels - 1, 1.0F);
  CHECK_THROWS_AS(fold_layer_norm(some, few, channels), Error);
  CHECK_THROWS_AS(fold_linear(few, {}, channels, {}), Error);
  CHECK_THROWS_AS(fold_linear(some, some, channels, {}), Error);
  CHECK_THROWS_AS(fold_linear(some, {}, channels, {0.0F, 0}), Error);
  CHECK_THROWS_AS(layer_scale({}, ScaleFactor::kMedian), Error);
  CHECK_THROWS_AS(layer_scale({{0.0F}, {0}}, ScaleFactor::kMedian), Error);
  CHECK_THROWS_AS(fold_scales({}), Error);
  CHECK_THROWS_AS(fold_scales(std::vector{observation(1, 0)}, 1.5), Error);
}
