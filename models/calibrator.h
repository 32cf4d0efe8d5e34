#pragma once
// The seam between a forward pass and quantization. A pass that carries a Calibrator asks it in front of every site
// what the site shall be; the Calibrator may put an integer layer in its place, and the pass goes on with that. One
// forward pass over the calibration pictures is thus the whole calibration, each site seeing already quantized inputs.

#include <cstdint>
#include <span>
#include <string>

#include "engine/gemm/matmul.h"
#include "engine/kernels/softmax_levels.h"
#include "engine/tensor.h"

namespace vitq {

struct Norm;

/// What is attended to: `groups` groups of `tokens` rows each, `per_picture` of them in one picture, with Swin's
/// additions to the scores (engine/kernels/softmax.h) where there are any: a bias for each head, and no mask or one for
/// each group of a picture.
struct AttentionShape {
  std::int64_t groups = 0;
  std::int64_t per_picture = 0;
  std::int64_t tokens = 0;
  std::span<const float> bias;
  std::span<const float> mask;
  std::span<const std::int32_t> to;
};

/// How the two products of attention run on integers; as floats unless `integer`.
struct AttentionCodes {
  bool integer = false;
  Encoding q, k, v;      ///< s8, symmetric
  SoftmaxLevels levels;  ///< of the softmax between them
};

class Calibrator {
 public:
  virtual ~Calibrator() = default;

  /// In front of LayerNorm `norm_name` and the layer it feeds. normed: f32 [rows, dim], the LayerNorm's float output.
  virtual void norm(const std::string& norm_name, const std::string& layer_name, const Tensor& normed, Norm& norm,
                    Linear& layer) = 0;
  /// In front of a layer whose input is no LayerNorm's. src: f32 [rows, inputs].
  virtual void linear(const std::string& layer_name, const Tensor& src, Linear& layer) = 0;
  /// In front of the attention products. qkv: f32 [groups tokens, 3 heads head_dim].
  virtual void attention(const std::string& name, const Tensor& qkv, std::int64_t heads, const AttentionShape& shape,
                         AttentionCodes& codes) = 0;
};

}  // namespace vitq
