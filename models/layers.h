#pragma once
// Named layers, found in a checkpoint by their scope: what is stored under the name, float weights or integer codes,
// decides what the layer is. Nothing above this file names a precision.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/gemm/matmul.h"
#include "engine/tensor.h"
#include "models/calibrator.h"
#include "weights/checkpoint.h"

namespace vitq {

/// A fully connected layer and its name in checkpoints.
struct Layer {
  /// Reads `scope`.weight [outputs, inputs] (any shape of that many elements) and `scope`.bias, if there is one, or the
  /// layer's quantized form (weights/artifact.h).
  Layer(MatmulContext& context, const Checkpoint& checkpoint, std::string scope, std::int64_t outputs,
        std::int64_t inputs);

  std::string name;
  Linear linear;
};

/// LayerNorm: float parameters, or those that emit the codes of the layer behind it.
struct Norm {
  Norm(const Checkpoint& checkpoint, std::string scope, float epsilon);

  /// src -> dst in the encoding of dst, rows gathered by `from` (engine/kernels/layer_norm.h).
  void run(const Tensor& src, const Tensor& dst, std::span<const std::int32_t> from = {}) const;

  std::string name;
  bool folded = false;       ///< gamma and beta are gain and shift
  std::vector<float> gamma;  ///< [dim]
  std::vector<float> beta;   ///< [dim]
  float eps;
};

/// Makes `buffer` at least `size` bytes; what it held is lost when it grows.
void reserve(Buffer& buffer, std::int64_t size);

/// The LayerNorm of src, in `dst`, in the encoding that `next` expects. `dst` needs room for f32.
Tensor normalised(Norm& norm, const Tensor& src, Layer& next, const Buffer& dst, Calibrator* calibrator,
                  std::span<const std::int32_t> from = {});

/// src in the encoding that `next` expects: itself if it has that already, else quantized or rounded into `dst`.
Tensor encoded(const Tensor& src, Layer& next, Buffer& dst, Calibrator* calibrator);

}  // namespace vitq
