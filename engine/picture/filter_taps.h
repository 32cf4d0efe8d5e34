#pragma once
// Which samples of a line each sample of its resized line is a sum of.

#include <cstdint>
#include <vector>

#include "vitq/preprocessing.h"

namespace vitq {

/// Pillow's rule, which PyTorch's interpolate(antialias = true) follows: when `from` samples become `to`, sample
/// `output` is the sum over i of weights[i] times sample (returned + i). The filter is a cubic with a = -0.5 or a
/// triangle, widened by the scale when shrinking; the weights add up to 1. Every operation is in Pillow's order. Real:
/// double, as in Pillow, or float, as in PyTorch of float pictures.
template <class Real>
std::int64_t filter_taps(Interpolation interpolation, std::int64_t from, std::int64_t to, std::int64_t output,
                         std::vector<Real>& weights);

/// The most weights that filter_taps() gives for any output.
std::int64_t most_filter_taps(Interpolation interpolation, std::int64_t from, std::int64_t to);

}  // namespace vitq
