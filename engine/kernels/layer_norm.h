#pragma once
// LayerNorm over the last dimension, one row at a time, in one pass that reads a row and writes it in the encoding
// asked for. The rows may be gathered on the way, which is how Swin partitions windows without a copy.

#include <cstdint>
#include <span>

#include "engine/tensor.h"

namespace vitq {

/// What is divided by.
struct NormKind {
  float eps = 1e-6F;
  bool is_centred = true;  ///< LayerNorm; else RMSNorm (Zhang and Sennrich, arXiv 1910.07467): mean(x) counts as 0
  bool operator==(const NormKind&) const = default;
};

/// dst[i] = (x - mean(x)) / sqrt(var(x) + eps) * gamma + beta with x = src row `from[i]`, or row i where `from` is
/// empty. src: f32 [n, dim]; dst: f32 or bf16 [rows, dim]; gamma, beta: [dim]; every index in [0, n). dst may be src
/// only without `from`. bf16 is the f32 result, rounded. The variance is the biased one, in two passes (Ba et al.,
/// arXiv 1607.06450, as in every ViT). Throws Error where the shapes do not fit or the encodings are not float.
void layer_norm(const Tensor& src, std::span<const float> gamma, std::span<const float> beta, NormKind kind,
                const Tensor& dst, std::span<const std::int32_t> from = {});

/// dst += the same of src: the residual of a branch that is normed at its end (Swin V2). src, dst: f32 [rows, dim], no
/// overlap.
void add_layer_norm(const Tensor& src, std::span<const float> gamma, std::span<const float> beta, NormKind kind,
                    const Tensor& dst);

/// The same as layer_norm, emitting the codes of the layer that follows, half to even:
/// dst[i] = round(clamp((x - mean(x)) / sqrt(var(x) + eps) * gain + shift, 0, 2^bits - 1)).
/// dst: u8 [rows, dim] with its bits and no code book; its scale and zero point are only carried: gain and shift have
/// them folded in (gamma / scale, beta / scale + zero_point, or each channel's own).
void layer_norm_codes(const Tensor& src, std::span<const float> gain, std::span<const float> shift, NormKind kind,
                      const Tensor& dst, std::span<const std::int32_t> from = {});

}  // namespace vitq
