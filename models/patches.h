#pragma once
// Cutting a picture into patches, the first step of every Vision Transformer: a convolution whose stride is its kernel
// size is a matrix product over patches.

#include <cstdint>
#include <span>

#include "engine/tensor.h"

namespace vitq {

/// Row i of dst is patch i of all pictures, row-major over the grid of each, its values in the order [channel, y, x] of
/// a convolution weight. images: [batch, channels, size, size]; dst: [batch (size/patch)^2, channels patch^2], f32, or
/// an encoding that quantize() writes.
void cut_patches(std::span<const float> images, std::int64_t size, std::int64_t patch, const Tensor& dst);

}  // namespace vitq
