#pragma once
// The config.json that the Hugging Face hub keeps beside a model.safetensors: timm's, or transformers'.

#include <optional>

#include "models/config.h"
#include "vitq/stated.h"
#include "weights/checkpoint.h"

namespace vitq {

/// What the config.json beside a file called model.safetensors says; nothing where the file is called otherwise (the
/// config may then be another model's) or there is none. `shapes`: of the checkpoint. Throws Error (kFormat), naming
/// config.json, where it is no JSON, a value is of another type, or it contradicts the shapes.
std::optional<Stated> stated_by_hub_config(const Checkpoint& checkpoint, const ModelConfig& shapes);

}  // namespace vitq
