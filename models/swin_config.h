#pragma once
// The Swin row (V1 and V2) of architectures.h, but for its pass.

#include <cstdint>
#include <vector>

#include "models/config.h"

namespace vitq {

bool is_swin(const Checkpoint& checkpoint);
void infer_swin(const Checkpoint& checkpoint, ModelConfig& config);
/// Hidden width of the MLP that makes the biases of a Swin V2.
inline constexpr std::int64_t kBiasMlpWidth = 512;
void check_swin(const ModelConfig& config);
void add_swin_tensors(const ModelConfig& config, std::vector<TensorSpec>& tensors);
std::int64_t swin_macs(const ModelConfig& config);

}  // namespace vitq
