#pragma once
// The weight bits of a model that has to fit into a number of bytes.

#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "models/describe.h"
#include "quant/calibrate.h"
#include "weights/checkpoint.h"

namespace vitq {

/// Layers that have weight bits of their own, and how many.
using BitsOf = std::map<std::string, int>;

/// Those of `sites` whose bits a size decides: the linear layers between the edges that are not kept in float.
std::vector<std::string> mixed_layers(const std::vector<std::string>& sites, const QuantizeOptions& options);

/// Bits for each of `layers` (mixed_layers) so that the artifact, with some reserve for its header, has at most
/// options.most_bytes bytes: measure_sensitivity on up to eight of the pictures, then fit_bits. `advance` is called
/// with each layer's name. Throws Error where 3 bits everywhere are too much.
BitsOf fit_mixed_layers(const Checkpoint& checkpoint, const ModelDescription& description,
                        std::span<const float> images, std::int64_t count, const std::vector<std::string>& layers,
                        const QuantizeOptions& options, const std::function<void(const std::string&)>& advance);

}  // namespace vitq
