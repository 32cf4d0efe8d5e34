#pragma once
// What the files say that libraries keep beside their weights: config.json and preprocessor_config.json of
// transformers, config.json of timm, open_clip_config.json of open_clip.

#include <optional>
#include <string>
#include <vector>

#include "models/config.h"
#include "models/json_config.h"
#include "vitq/stated.h"
#include "weights/checkpoint.h"

namespace vitq {

struct StatedByHub {
  Stated says;
  std::string from;  ///< the file's name
};

/// What they say, the most trusted first; nothing where the weights are not called as a hub's are (they may then be
/// another model's: find_weights) or there are none. `shapes`: of the checkpoint. Throws Error, naming the file:
/// kFormat where it is no JSON, a value is of another type, or it contradicts the shapes; kUnsupported where it asks
/// for what vitq does not compute.
std::vector<StatedByHub> stated_by_hub(const Checkpoint& checkpoint, const ModelConfig& shapes);

/// Of transformers' config.json, which has a "model_type" (transformers 5.24).
Stated stated_by_transformers(const JsonConfig& config, const ModelConfig& shapes);
/// Of transformers' preprocessor_config.json, or of what processor_config.json has under "image_processor".
Stated stated_by_preprocessor(const JsonConfig& config);
/// Of timm's config.json, which has an "architecture" (timm 1.0).
Stated stated_by_timm(const JsonConfig& config);
/// Of open_clip_config.json (open_clip 3.3).
Stated stated_by_open_clip(const JsonConfig& config, const ModelConfig& shapes);

/// What the name of an architecture of timm's implies of its blocks. Throws Error (kUnsupported), in the name of
/// `config`, for one that vitq does not compute.
Stated blocks_of_timm(const std::string& architecture, const JsonConfig& config);

}  // namespace vitq
