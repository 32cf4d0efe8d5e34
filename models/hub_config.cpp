#include "models/hub_config.h"

#include <filesystem>

#include "models/hub_folder.h"

namespace vitq {
namespace {

// A config.json without a word of whose it is: the keys that everybody uses.
Stated stated_by_anybody(const JsonConfig& config, const ModelConfig& shapes) {
  config.check_same("hidden_size", shapes.stages().front().dim);
  config.check_same("num_hidden_layers", shapes.stages().front().depth);
  return {.image_size = config.size("image_size"),
          .heads = config.integer("num_attention_heads"),
          .eps = config.number("layer_norm_eps"),
          .activation = config.text("hidden_act"),
          .classes = config.numbered_texts("id2label")};
}

Stated stated_by_config(const JsonConfig& config, const ModelConfig& shapes) {
  if (config.has("model_type")) return stated_by_transformers(config, shapes);
  if (config.has("architecture") || config.has("pretrained_cfg")) return stated_by_timm(config);
  return stated_by_anybody(config, shapes);
}

}  // namespace

std::vector<StatedByHub> stated_by_hub(const Checkpoint& checkpoint, const ModelConfig& shapes) {
  const std::filesystem::path file(checkpoint.source());
  if (!is_hub_weights(file)) return {};
  constexpr const char* kConfig = "config.json";
  constexpr const char* kPreprocessor = "preprocessor_config.json";
  constexpr const char* kProcessor = "processor_config.json";
  constexpr const char* kOpenClip = "open_clip_config.json";
  const std::filesystem::path folder = file.parent_path();
  const auto of_open_clip = JsonConfig::read(folder / kOpenClip);
  const auto config = JsonConfig::read(folder / kConfig);
  // A folder may have both, each with weights of its own.
  if (of_open_clip && (is_open_clip_weights(file) || !config)) {
    return {{stated_by_open_clip(*of_open_clip, shapes), kOpenClip}};
  }
  std::vector<StatedByHub> all;
  if (const auto preprocessor = JsonConfig::read(folder / kPreprocessor)) {
    all.push_back({stated_by_preprocessor(*preprocessor), kPreprocessor});
  } else if (const auto processor = JsonConfig::read(folder / kProcessor)) {
    if (processor->has("image_processor")) {
      all.push_back({stated_by_preprocessor(processor->below("image_processor")), kProcessor});
    }
  }
  if (config) all.push_back({stated_by_config(*config, shapes), kConfig});
  return all;
}

}  // namespace vitq
