#pragma once
// From the tokens of a pass to one row per picture.

#include <cstdint>

#include "engine/tensor.h"

namespace vitq {

/// How tokens become one embedding.
enum class Pool : std::uint8_t {
  kClassToken,    ///< the first token
  kTwoTokens,     ///< the mean of the first two: class and distillation token (DeiT, arXiv 2012.12877)
  kMean,          ///< the mean of all tokens but the prefix, summed in order (Swin, MAE, SigLIP)
  kMeanAndMost,   ///< of the same tokens the mean of that and of each column's largest value (timm's avgmax)
  kClassAndMean,  ///< the class token and, behind it, that mean: twice as wide (DINOv2 of transformers)
  kAttention,     ///< what one learned query makes of all (engine/layers/attention_pool.h); not by pool()
};

/// dst row b = token `index` of picture b. tokens: f32 [batch * n, dim], dst: f32 [batch, dim], dense: oneDNN 2.6.3
/// takes rows that lie apart through its reference code, 50 ms for one picture (DeiT-S).
void take_token(const Tensor& tokens, std::int64_t index, const Tensor& dst);

/// dst = the embedding of each picture. tokens: f32 [batch * n, dim], of which a mean leaves the first `skipped` out;
/// dst: f32 [batch, dim], or [batch, 2 dim].
void pool(Pool how, const Tensor& tokens, std::int64_t skipped, const Tensor& dst);

}  // namespace vitq
