#pragma once
// MOSF: the channel-wise quantization of a LayerNorm's output becomes layer-wise, because the LayerNorm before and the
// linear layer behind it can absorb the difference (docs/quantization.md, section
// "Folding a LayerNorm"; the idea is RepQ-ViT's).
// y is the output of the LayerNorm; channel c has y = (code - zero_point[c]) * scale[c], the layer the same with one
// scale s~ and one zero point z~.

#include <cstdint>
#include <span>
#include <vector>

#include "engine/picture/patches.h"
#include "quant/observer.h"

namespace vitq {

/// Scale and zero point of each channel.
struct ChannelScales {
  std::vector<float> scale;
  std::vector<std::int32_t> zero_point;
};

/// Those of the whole layer: what the linear layer is told about the codes it receives.
struct LayerScale {
  float scale = 1.0F;
  std::int32_t zero_point = 0;
};

/// How s~ and z~ come from the channels': their medians (MOSF); their means (RepQ-ViT); the medians over the channels
/// whose scale lies within three mean absolute deviations of the median scale. z~ is rounded.
enum class ScaleFactor : std::uint8_t { kMedian, kMean, kMad };

/// What is folded: the quantizers of observe_channels, pulled together by `strength` alpha in [0, 1]. With d_max the
/// largest scale and L = 2^bits: d' = d_max (d / d_max)^alpha, z' = round((L-1)/2 - m / d') with the centre
/// m = ((L-1)/2 - z) d kept in place. 1 leaves them as they are, 0 gives every channel one scale.
ChannelScales fold_scales(std::span<const Observation> channels, double strength = 1.0);

LayerScale layer_scale(const ChannelScales& channels, ScaleFactor method);

/// The fused kernel emits code = clamp(round(xhat * gain + shift), 0, 2^bits - 1), xhat = (x - mean) / deviation.
struct CodeNorm {
  std::vector<float> gain;
  std::vector<float> shift;
};

/// gain = gamma / s, shift = beta / s + z, of each channel. With r = s / s~ the folded parameters of that section are
/// gamma / r and (beta + s (z - z~)) / r; divided by s~, with z~ added, both s~ and z~ drop out: the codes do not
/// depend on the layer's scale.
CodeNorm fold_layer_norm(std::span<const float> gamma, std::span<const float> beta, const ChannelScales& channels);

struct FoldedLinear {
  std::vector<float> weight;  // [out, in]
  std::vector<float> bias;    // [out]
};

/// The linear layer that gives for (code - z~) s~ what `weight`, `bias` give for y: with r = s / s~,
/// weight[:, c] * r[c] and bias + sum over c of weight[:, c] s[c] (z~ - z[c]), summed in double.
/// weight: [out, in]; bias: [out], or empty, which counts as zeros.
FoldedLinear fold_linear(std::span<const float> weight, std::span<const float> bias, const ChannelScales& channels,
                         const LayerScale& layer);

/// The patch embedding that gives for scaled pixels (engine/picture/patches.h) what `weight` [out, 3 plane], `bias` as
/// above give for normalised ones: weight / gain and bias - sum of that times shift, summed in double. plane: values of
/// a channel.
FoldedLinear fold_pixels(std::span<const float> weight, std::span<const float> bias, const PixelScale& scale,
                         std::int64_t plane);

}  // namespace vitq
