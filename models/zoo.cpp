#include "models/zoo.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "engine/error.h"

namespace vitq {

namespace {

constexpr std::array<float, 3> kHalf{0.5F, 0.5F, 0.5F};
constexpr std::array<float, 3> kImageNetMean{0.485F, 0.456F, 0.406F};
constexpr std::array<float, 3> kImageNetStd{0.229F, 0.224F, 0.225F};
constexpr double kCropPct = 0.9;  // timm's default for every model of the table

ModelConfig vit(std::int64_t depth, std::int64_t dim, std::int64_t heads, bool distilled = false) {
  ModelConfig config;
  config.body = VitConfig{.blocks = {.depth = depth, .dim = dim, .heads = heads, .hidden = 4 * dim},
                          .distillation_token = distilled};
  return config;
}

// `dim` and `heads` of the first stage; both double from stage to stage.
ModelConfig swin(std::int64_t third_depth, std::int64_t dim, std::int64_t heads) {
  ModelConfig config;
  config.patch = 4;
  config.eps = 1e-5F;
  SwinConfig body;
  for (const std::int64_t depth : {std::int64_t{2}, std::int64_t{2}, third_depth, std::int64_t{2}}) {
    body.stages.push_back({.depth = depth, .dim = dim, .heads = heads, .hidden = 4 * dim});
    dim *= 2;
    heads *= 2;
  }
  config.body = std::move(body);
  return config;
}

Preprocessing preprocessing(const std::array<float, 3>& mean, const std::array<float, 3>& std) {
  return {.image_size = 224, .resize = resize_for_crop(224, kCropPct), .mean = mean, .std = std};
}

std::vector<ZooEntry> make_zoo() {
  const Preprocessing half = preprocessing(kHalf, kHalf);
  const Preprocessing imagenet = preprocessing(kImageNetMean, kImageNetStd);
  // Sources: timm 1.0 model registry and results-imagenet.csv.
  return {
      {"vit_t", "vit_tiny_patch16_224.augreg_in21k_ft_in1k", vit(12, 192, 3), half, 75.45},
      {"vit_s", "vit_small_patch16_224.augreg_in21k_ft_in1k", vit(12, 384, 6), half, 81.39},
      {"vit_b", "vit_base_patch16_224.augreg_in21k_ft_in1k", vit(12, 768, 12), half, 84.53},
      {"vit_l", "vit_large_patch16_224.augreg_in21k_ft_in1k", vit(24, 1024, 16), half, 85.83},
      {"deit_t", "deit_tiny_patch16_224.fb_in1k", vit(12, 192, 3), imagenet, 72.2},
      {"deit_s", "deit_small_patch16_224.fb_in1k", vit(12, 384, 6), imagenet, 79.85},
      {"deit_b", "deit_base_patch16_224.fb_in1k", vit(12, 768, 12), imagenet, 81.85},
      {"deit_t_distilled", "deit_tiny_distilled_patch16_224.fb_in1k", vit(12, 192, 3, true), imagenet, 74.5},
      {"deit_s_distilled", "deit_small_distilled_patch16_224.fb_in1k", vit(12, 384, 6, true), imagenet, 81.2},
      {"deit_b_distilled", "deit_base_distilled_patch16_224.fb_in1k", vit(12, 768, 12, true), imagenet, 83.4},
      {"swin_t", "swin_tiny_patch4_window7_224.ms_in1k", swin(6, 96, 3), imagenet, 81.35},
      {"swin_s", "swin_small_patch4_window7_224.ms_in1k", swin(18, 96, 3), imagenet, 83.2},
      {"swin_b", "swin_base_patch4_window7_224.ms_in22k_ft_in1k", swin(18, 128, 4), imagenet, 85.27},
  };
}

}  // namespace

std::span<const ZooEntry> zoo() {
  static const std::vector<ZooEntry> kZoo = make_zoo();
  return kZoo;
}

const ZooEntry* find_in_zoo(std::string_view name) {
  for (const ZooEntry& entry : zoo()) {
    if (entry.name == name || entry.timm_tag == name) return &entry;
  }
  return nullptr;
}

std::optional<std::string> zoo_name(const std::string& model) {
  const ZooEntry* entry = find_in_zoo(model);
  return entry != nullptr ? std::optional(std::string(entry->name)) : std::nullopt;
}

std::string hub_path(const ZooEntry& entry) {
  // timm keeps each set of weights in a repository of its own, named by the tag.
  return "timm/" + std::string(entry.timm_tag) + "/resolve/main/model.safetensors";
}

const ZooEntry* match_zoo(const ModelConfig& config, std::string_view stem) {
  std::vector<const ZooEntry*> same;
  for (const ZooEntry& entry : zoo()) {
    if (entry.config == config) same.push_back(&entry);
  }
  if (same.size() == 1) return same.front();
  const auto family = [](const ZooEntry* entry) { return entry->name.substr(0, entry->name.find('_')); };
  const auto found = std::ranges::find_if(
      same, [&](const ZooEntry* entry) { return stem.find(family(entry)) != std::string_view::npos; });
  return found != same.end() ? *found : nullptr;
}

PictureSize resize_for_crop(PictureSize image_size, double crop_pct) {
  check(crop_pct > 0 && crop_pct <= 1, "crop_pct is ", crop_pct, ", expected more than 0 and at most 1");
  // At most 16 times the crop: a smaller fraction keeps nothing of the picture.
  check(crop_pct >= 1.0 / 16, "crop_pct is ", crop_pct, ", expected at least 0.0625");
  const auto enlarged = [&](std::int64_t side) {
    return static_cast<std::int64_t>(std::floor(static_cast<double>(side) / crop_pct));
  };
  return {enlarged(image_size.height), enlarged(image_size.width)};
}

}  // namespace vitq
