#pragma once
// How much each layer's weights matter, measured: the float model runs with one layer's weights rounded at a time.

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "models/describe.h"
#include "quant/bit_budget.h"
#include "weights/checkpoint.h"

namespace vitq {

/// For each of `layers` the mean KL(float || rounded) of the class probabilities, in nats, that its weights alone make:
/// at 4 bits measured, at others in proportion to the squared error of the weights (which is what a small error's KL
/// does). images: [count, 3, size, size], normalised; eight are enough. `advance` is called
/// with each layer's name when it is done.
/// Throws Error where a layer is not in the checkpoint.
std::vector<LayerCost> measure_sensitivity(const Checkpoint& checkpoint, const ModelDescription& description,
                                           std::span<const float> images, std::int64_t count,
                                           std::span<const std::string> layers,
                                           const std::function<void(const std::string&)>& advance);

}  // namespace vitq
