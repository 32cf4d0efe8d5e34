#pragma once
// A ViT, a Swin and a Swin V2 written for reading: scalar loops in double, straight from the papers, sharing nothing
// with the engine. Quantized layers are read from the artifact and run on integers, one code at a time. Small models
// only.

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "models/config.h"
#include "weights/checkpoint.h"

namespace vitq::test {

/// Values that lie so near the middle between two codes that float and double may round them to different sides,
/// counted in the order in which a picture meets them. Those in `turned` go to the other side than double's.
struct Ties {
  std::vector<std::int64_t> turned;
  std::int64_t met = 0;  ///< so many there were

  [[nodiscard]] bool is_turned(std::int64_t tie) const { return std::ranges::find(turned, tie) != turned.end(); }
};

/// Logits [classes] of one picture [3, size, size]. bits: second_operand_bits(), 8, or 7 where byte products saturate
/// unless the second operand lies in [-64, 64]: weights are then halved row by row, and k and v get seven bits.
std::vector<double> reference_logits(const ModelConfig& config, const Checkpoint& checkpoint,
                                     std::span<const float> image, int bits, Ties& ties);

/// The same with eight bits and every tie as double has it.
std::vector<double> reference_logits(const ModelConfig& config, const Checkpoint& checkpoint,
                                     std::span<const float> image);

}  // namespace vitq::test
