#pragma once
// A scale for each row of what a layer takes: for models some of whose tokens carry values a hundred times those of the
// others (CLIP, DINOv2: Darcet et al., arXiv 2309.16588), which one grid for all tokens cannot hold.

#include "quant/layer_input.h"

namespace vitq {

/// Row scales with the zero point that leaves the least relative error. sample: f32 [rows, inputs].
LayerInput row_scaled_input(const Tensor& sample, int bits);

/// The mean over the rows of a sample of |x - decoded x|^2 / |x|^2: each token counts the same, however large it is.
double relative_error(const LayerInput& input, const Tensor& sample);

/// Whether rows need scales of their own: their mean relative error on one grid is more than kMostLoss times that with
/// row scales. (Factor at fc2, 16 pictures: DeiT-T at most 4.5; OpenAI's CLIP ViT-B/16 18, 60 and 162 in blocks 5 to 7,
/// at most 4.3 elsewhere. Behind a LayerNorm, whose channels have grids of their own, below 1.6 everywhere.)
bool needs_row_scales(const LayerInput& one_grid, const LayerInput& by_rows, const Tensor& sample);

}  // namespace vitq
