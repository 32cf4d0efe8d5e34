#include "models/config.h"

#include <algorithm>

#include "engine/error.h"
#include "models/architectures.h"
#include "models/config_parts.h"
#include "models/metadata.h"
#include "models/words.h"
#include "weights/artifact.h"
#include "weights/names.h"

namespace vitq {

std::string_view name_of(Architecture architecture) {
  return architectures()[static_cast<std::size_t>(architecture)].name;
}

std::span<const Stage> ModelConfig::stages() const {
  if (const auto* of_vit = std::get_if<VitConfig>(&body)) return {&of_vit->blocks, 1};
  return swin().stages;
}

std::int64_t ModelConfig::prefix_tokens() const {
  const auto* of_vit = std::get_if<VitConfig>(&body);
  return of_vit != nullptr ? of_vit->prefix_tokens() : 0;
}

HeadConfig ModelConfig::head() const {
  const auto* of_vit = std::get_if<VitConfig>(&body);
  if (of_vit == nullptr) return {.pool = Pool::kMean, .classifier = "head.fc", .second = "", .skipped = 0, .norm = ""};
  HeadConfig head{.pool = of_vit->pool,
                  .classifier = "head",
                  .second = "",
                  .skipped = of_vit->prefix_tokens(),
                  .norm = of_vit->fc_norm ? "fc_norm" : ""};
  if (of_vit->distillation_token) {
    head.pool = Pool::kTwoTokens;
    head.second = "head_dist";
  }
  return head;
}

std::int64_t ModelConfig::pooled_size() const {
  const auto* of_vit = std::get_if<VitConfig>(&body);
  const bool is_twice = of_vit != nullptr && of_vit->pool == Pool::kClassAndMean;
  return is_twice ? 2 * token_size() : token_size();
}

void check_config(const ModelConfig& config) {
  check_extent(config.patch, "patch size");
  architecture_of(config).check(config);
  check_extent(config.image_size.height, "image size");
  check_extent(config.image_size.width, "image size");
  if (config.classes != 0) check_extent(config.classes, "number of classes");
  if (config.projection != 0) check_extent(config.projection, "width of the projection");
  check(config.classes == 0 || config.projection == 0, "model: the head has classes or projects, not both");
  const bool may_leave_rest = config.architecture() == Architecture::kVit;  // SO400M: 384 pixels in patches of 14
  const PictureSize size = config.image_size;
  check(config.grid().count() > 0 &&
            (may_leave_rest || (size.height % config.patch == 0 && size.width % config.patch == 0)),
        "model: image size ", to_string(size), " is not a multiple of the patch size ", config.patch);
  check(std::max(size.height, size.width) <= ModelConfig::kMostImageSide, "model: image size is ", to_string(size),
        ", expected at most ", ModelConfig::kMostImageSide);
  check(config.eps > 0 && config.eps < 1, "model: LayerNorm eps is ", config.eps, ", expected a small positive number");
}

std::vector<TensorSpec> expected_tensors(const ModelConfig& config) {
  std::vector<TensorSpec> tensors;
  const std::int64_t dim = config.stages().front().dim;
  tensors.push_back({"patch_embed.proj.weight", {dim, ModelConfig::kChannels, config.patch, config.patch}});
  const auto* of_vit = std::get_if<VitConfig>(&config.body);
  if (of_vit == nullptr || of_vit->patch_bias) tensors.push_back({"patch_embed.proj.bias", {dim}});
  architecture_of(config).tensors(config, tensors);
  const HeadConfig head = config.head();
  if (!head.norm.empty()) add_norm(tensors, head.norm, config.pooled_size(), !config.rms_norm);
  const std::int64_t outputs = config.projection > 0 ? config.projection : config.classes;
  if (outputs == 0) return tensors;
  add_linear(tensors, head.classifier, outputs, config.pooled_size());
  if (!config.head_bias) tensors.pop_back();
  if (!head.second.empty()) add_linear(tensors, head.second, outputs, config.pooled_size());
  return tensors;
}

std::int64_t parameter_count(const ModelConfig& config) {
  std::int64_t count = 0;
  for (const TensorSpec& tensor : expected_tensors(config)) count += element_count(tensor.shape);
  return count;
}

std::int64_t multiply_accumulates(const ModelConfig& config) {
  const std::int64_t patches = config.grid().count() * config.patch_values() * config.stages().front().dim;
  const std::int64_t heads = config.head().second.empty() ? 1 : 2;
  return patches + architecture_of(config).macs(config) +
         heads * config.pooled_size() * std::max(config.classes, config.projection);
}

ModelConfig config_of_shapes(const Checkpoint& checkpoint) {
  ModelConfig config;
  config.image_size = 0;
  config.classes = 0;
  config.eps = 0;
  const ArchitectureEntry* found = nullptr;
  for (const ArchitectureEntry& entry : architectures()) {
    if (found == nullptr && entry.recognises(checkpoint)) found = &entry;
  }
  check(found != nullptr && checkpoint.contains("patch_embed.proj.weight"), ErrorCode::kFormat, checkpoint.source(),
        ": ", explain_names(checkpoint.names()));
  // A quantized patch embedding is stored as a matrix, which has lost the patch's size.
  const auto patch = is_of_vitq(checkpoint) ? metadata_integer(checkpoint, "patch_size") : std::nullopt;
  config.patch = patch ? *patch : dimension(checkpoint, "patch_embed.proj.weight", 4, 3);
  of_file(checkpoint, [&] { check_extent(config.patch, "patch size"); });  // sizes are computed from it
  found->infer(checkpoint, config);
  return config;
}

}  // namespace vitq
