#include "models/describe.h"

#include <algorithm>
#include <cstdlib>
#include <locale>
#include <sstream>
#include <utility>

#include "engine/error.h"
#include "models/imagenet_classes.h"
#include "models/metadata.h"
#include "models/zoo.h"
#include "weights/artifact.h"
#include "weights/printable.h"

namespace vitq {

namespace {

// ", is this deit_b?" material: the zoo name of what the checkpoint looks like, if it looks like anything.
std::string hint(const Checkpoint& checkpoint) {
  try {
    const ZooEntry* entry = match_zoo(infer_config(checkpoint), "");
    return entry != nullptr ? "is this " + std::string(entry->name) + "?" : "";
  } catch (const Error&) {
    return "";  // the hint is a courtesy; the error it belongs to says what is wrong
  }
}

std::vector<std::string> class_names(const Checkpoint& checkpoint, std::int64_t classes) {
  if (auto names = metadata_list(checkpoint, "classes")) {
    check(std::ssize(*names) == classes, ErrorCode::kFormat, checkpoint.source(), ": metadata 'classes' names ",
          names->size(), " classes, the head has ", classes);
    return *names;
  }
  const auto imagenet = imagenet_class_names();
  if (classes == std::ssize(imagenet)) return {imagenet.begin(), imagenet.end()};
  std::vector<std::string> names;
  for (std::int64_t i = 0; i < classes; ++i) names.push_back("class " + std::to_string(i));
  return names;
}

/// "a,b,c", numbers as in C with enough digits to read the same float back.
std::string joined(const auto& values) {
  std::ostringstream text;
  text.imbue(std::locale::classic());
  text.precision(9);
  const char* separator = "";
  for (const auto& value : values) text << std::exchange(separator, ",") << value;
  return text.str();
}

// The zoo row's preprocessing, or ImageNet's usual one, overridden by whatever the metadata states.
void set_preprocessing(const Checkpoint& checkpoint, const ZooEntry* entry, ModelDescription& description) {
  const ZooEntry* base = entry != nullptr ? entry : find_in_zoo("deit_s");
  Preprocessing& result = description.preprocessing;
  result = base->preprocessing;
  result.image_size = static_cast<int>(description.config.image_size);
  description.preprocessing_source = entry != nullptr ? "zoo row " + std::string(entry->name) : "assumed (ImageNet's)";
  const auto mean = metadata_colours(checkpoint, "mean");
  const auto std = metadata_colours(checkpoint, "std");
  const auto crop = metadata_number(checkpoint, "crop_pct");
  if (mean) result.mean = *mean;
  if (std) {
    for (const float value : *std) {
      constexpr float kLeast = 1e-4F;  // pixels are in [0, 1]: less would leave the range of float behind
      check(value >= kLeast, ErrorCode::kFormat, checkpoint.source(), ": metadata 'std' has ", value,
            ", expected at least ", kLeast);
    }
    result.std = *std;
  }
  constexpr double kUsualCrop = 0.9;
  result.resize =
      of_file(checkpoint, [&] { return resize_for_crop(description.config.image_size, crop.value_or(kUsualCrop)); });
  const auto resize = metadata_integer(checkpoint, "resize");
  if (resize) {
    constexpr std::int64_t kMost = 65536;
    check(*resize == 0 || (*resize >= result.image_size && *resize <= kMost), ErrorCode::kFormat, checkpoint.source(),
          ": metadata 'resize' is ", *resize, ", expected 0 or ", result.image_size, " to ", kMost);
    result.resize = static_cast<int>(*resize);
  }
  if (mean && std && (crop || resize)) description.preprocessing_source = "metadata";
}

}  // namespace

ModelDescription describe(const Checkpoint& checkpoint, const std::optional<std::string>& insist) {
  if (is_artifact(checkpoint)) check_artifact_schema(checkpoint);
  ModelDescription description;
  const ZooEntry* entry = insist ? find_in_zoo(*insist) : nullptr;
  check(!insist || entry != nullptr, "no model named ", printable(insist.value_or("")));
  if (entry != nullptr) {
    description.config = entry->config;
  } else {
    description.config = infer_config(checkpoint);
    const auto stated = metadata_text(checkpoint, "model");
    const std::string stem = stated.value_or(std::filesystem::path(checkpoint.source()).stem().string());
    entry = match_zoo(description.config, stem);
    description.name = entry != nullptr ? std::string(entry->name)
                                        : stated.value_or(std::string(name_of(description.config.architecture())));
  }
  if (entry != nullptr) description.name = entry->name;
  const std::string architecture(name_of(description.config.architecture()));
  const std::string stated_architecture = metadata_text(checkpoint, "architecture").value_or(architecture);
  check(stated_architecture == architecture, ErrorCode::kFormat, checkpoint.source(), ": metadata says architecture '",
        printable(stated_architecture), "', the tensors are of a ", architecture);
  const std::string suggestion = insist ? hint(checkpoint) : "";
  if (is_artifact(checkpoint)) {
    require_artifact(checkpoint, expected_tensors(description.config), suggestion);
  } else {
    checkpoint.require(expected_tensors(description.config), suggestion);
  }
  set_preprocessing(checkpoint, entry, description);
  description.class_names = class_names(checkpoint, description.config.classes);
  return description;
}

Checkpoint seeded_checkpoint(const std::string& zoo_name, std::uint64_t seed) {
  const ZooEntry* entry = find_in_zoo(zoo_name);
  check(entry != nullptr, "no model named ", printable(zoo_name));
  return Checkpoint::seeded(expected_tensors(entry->config), seed);
}

std::map<std::string, std::string> metadata_of(const ModelDescription& description) {
  const ModelConfig& config = description.config;
  std::map<std::string, std::string> metadata = {
      {"format", "vitq"},
      {"model", description.name},
      {"architecture", std::string(name_of(config.architecture()))},
      {"image_size", std::to_string(config.image_size)},
      {"patch_size", std::to_string(config.patch)},
      {"eps", joined(std::array{config.eps})},
      {"mean", joined(description.preprocessing.mean)},
      {"std", joined(description.preprocessing.std)},
      {"resize", std::to_string(description.preprocessing.resize)},
  };
  if (config.architecture() == Architecture::kVit) metadata["heads"] = std::to_string(config.vit().blocks.heads);
  if (!std::ranges::equal(description.class_names, imagenet_class_names())) {
    metadata["classes"] = joined(description.class_names);
  }
  return metadata;
}

std::map<std::string, std::string> zoo_metadata(const std::string& zoo_name) {
  return metadata_of(describe(seeded_checkpoint(zoo_name), zoo_name));
}

std::filesystem::path model_home() {
  const auto variable = [](const char* name) -> std::filesystem::path {
    const char* value = std::getenv(name);
    return value != nullptr ? value : "";
  };
  if (auto home = variable("VITQ_HOME"); !home.empty()) return home;
  if (const auto cache = variable("XDG_CACHE_HOME"); !cache.empty()) return cache / "vitq";
  return variable("HOME") / ".cache" / "vitq";
}

std::filesystem::path locate_model(const std::string& model) {
  std::error_code ignored;
  if (find_in_zoo(model) == nullptr) {
    const bool looks_like_path =
        model.find_first_of("/.") != std::string::npos || std::filesystem::exists(model, ignored);
    check(looks_like_path, "no model named ", printable(model), ", and no such file");
    return model;
  }
  auto path = model_home() / (model + ".safetensors");
  check(std::filesystem::exists(path, ignored), ErrorCode::kFile, "no weights for ", model, ": looked for ",
        path.string());
  return path;
}

}  // namespace vitq
