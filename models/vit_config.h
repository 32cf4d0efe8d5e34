#pragma once
// The ViT row of architectures.h, but for its pass.

#include <cstdint>
#include <vector>

#include "models/config.h"

namespace vitq {

bool is_vit(const Checkpoint& checkpoint);
void infer_vit(const Checkpoint& checkpoint, ModelConfig& config);
void check_vit(const ModelConfig& config);
void add_vit_tensors(const ModelConfig& config, std::vector<TensorSpec>& tensors);
std::int64_t vit_macs(const ModelConfig& config);

}  // namespace vitq
