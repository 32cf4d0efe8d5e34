#pragma once
// A ViT and a Swin written for reading: scalar loops in double, straight from the papers, sharing nothing with the
// engine. Quantized layers are read from the artifact and run on integers, one code at a time. Small models only.

#include <cstdint>
#include <span>
#include <vector>

#include "models/config.h"
#include "weights/checkpoint.h"

namespace vitq::test {

/// Logits [classes] of one picture [3, size, size].
std::vector<double> reference_logits(const ModelConfig& config, const Checkpoint& checkpoint,
                                     std::span<const float> image);

}  // namespace vitq::test
