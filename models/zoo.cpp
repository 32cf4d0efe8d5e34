#include "models/zoo.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <system_error>
#include <vector>

#include "engine/error.h"

namespace vitq {

namespace {

constexpr std::array<float, 3> kHalf{0.5F, 0.5F, 0.5F};
constexpr std::array<float, 3> kImageNetMean{0.485F, 0.456F, 0.406F};
constexpr std::array<float, 3> kImageNetStd{0.229F, 0.224F, 0.225F};
constexpr std::array<float, 3> kClipMean{0.48145466F, 0.4578275F, 0.40821073F};
constexpr std::array<float, 3> kClipStd{0.26862954F, 0.26130258F, 0.27577711F};
constexpr int kSizeOfV2 = 256;  // pixels, of Swin V2

// Blocks of the published widths.
constexpr Stage kTiny{.depth = 12, .dim = 192, .heads = 3, .hidden = 768};
constexpr Stage kSmall{.depth = 12, .dim = 384, .heads = 6, .hidden = 1536};
constexpr Stage kMedium{.depth = 12, .dim = 512, .heads = 8, .hidden = 2048};
constexpr Stage kBase{.depth = 12, .dim = 768, .heads = 12, .hidden = 3072};
constexpr Stage kLarge{.depth = 24, .dim = 1024, .heads = 16, .hidden = 4096};
constexpr Stage kSo400m{.depth = 27, .dim = 1152, .heads = 16, .hidden = 4304};
constexpr Stage kDinoV2Giant{
    .depth = 40, .dim = 1536, .heads = 24, .hidden = 4096, .activation = Activation::kSilu, .is_gated = true};
constexpr Stage kEva02Tiny{
    .depth = 12, .dim = 192, .heads = 3, .hidden = 512, .activation = Activation::kSilu, .is_gated = true};
constexpr Stage kEva02Base{.depth = 12,
                           .dim = 768,
                           .heads = 12,
                           .hidden = 2048,
                           .activation = Activation::kSilu,
                           .is_gated = true,
                           .mlp_norm = true};

ModelConfig vit(const Stage& blocks, std::int64_t image_size = 224) {
  ModelConfig config;
  config.image_size = image_size;
  config.body = VitConfig{.blocks = blocks};
  return config;
}

ModelConfig distilled(ModelConfig config) {
  config.vit().distillation_token = true;
  return config;
}

ModelConfig without_head(ModelConfig config) {
  config.classes = 0;
  return config;
}

ModelConfig deit3(const Stage& blocks) {
  ModelConfig config = vit(blocks);
  config.vit().prefix_positions = false;
  return config;
}

ModelConfig clip(const Stage& blocks, std::int64_t image_size, std::int64_t patch, std::int64_t projection) {
  ModelConfig config = without_head(vit(blocks, image_size));
  config.patch = patch;
  config.projection = projection;
  config.eps = 1e-5F;
  VitConfig& body = config.vit();
  body.blocks.activation = Activation::kQuickGelu;
  body.pre_norm = true;
  body.patch_bias = false;
  return config;
}

ModelConfig siglip(const Stage& blocks, std::int64_t image_size, std::int64_t patch) {
  ModelConfig config = without_head(vit(blocks, image_size));
  config.patch = patch;
  VitConfig& body = config.vit();
  body.class_token = false;
  body.pool = Pool::kAttention;
  body.pool_hidden = blocks.hidden;
  return config;
}

ModelConfig dinov2(const Stage& blocks, std::int64_t registers) {
  ModelConfig config = without_head(vit(blocks, 518));
  config.patch = 14;
  config.vit().registers = registers;
  config.vit().prefix_positions = registers == 0;
  return config;
}

ModelConfig dinov3(const Stage& blocks) {
  ModelConfig config = without_head(vit(blocks, 256));
  config.eps = 1e-5F;
  VitConfig& body = config.vit();
  body.blocks.qkv_bias = false;
  body.registers = 4;
  body.positions = body.prefix_positions = false;
  body.rope = Rope::kDinoV3;
  body.pool = Pool::kMean;
  return config;
}

// The mean of the patches, with a norm of its own in place of the last one.
ModelConfig pooled_by_mean(ModelConfig config) {
  VitConfig& body = config.vit();
  body.pool = Pool::kMean;
  body.fc_norm = true;
  body.final_norm = false;
  return config;
}

ModelConfig beit(const Stage& blocks) {
  ModelConfig config = pooled_by_mean(vit(blocks));
  VitConfig& body = config.vit();
  body.positions = body.prefix_positions = false;
  body.relative_bias = true;
  return config;
}

ModelConfig eva02(const Stage& blocks, std::int64_t image_size) {
  ModelConfig config = pooled_by_mean(vit(blocks, image_size));
  config.patch = 14;
  config.vit().rope = Rope::kEva02;
  return config;
}

// `dim` and `heads` of the first stage; both double from stage to stage.
ModelConfig swin(std::int64_t third_depth, std::int64_t dim, std::int64_t heads, std::int64_t window = 7) {
  ModelConfig config;
  config.patch = 4;
  config.eps = 1e-5F;
  SwinConfig body;
  body.window = window;
  for (const std::int64_t depth : {std::int64_t{2}, std::int64_t{2}, third_depth, std::int64_t{2}}) {
    body.stages.push_back({.depth = depth, .dim = dim, .heads = heads, .hidden = 4 * dim});
    dim *= 2;
    heads *= 2;
  }
  config.image_size = 32 * window;  // the last stage is one window
  config.body = std::move(body);
  return config;
}

ModelConfig swin_v2(std::int64_t third_depth, std::int64_t dim, std::int64_t heads, std::int64_t window) {
  ModelConfig config = swin(third_depth, dim, heads);
  config.image_size = kSizeOfV2;
  config.swin().window = window;
  for (Stage& stage : config.swin().stages) stage.cosine = stage.norms_behind = true;
  return config;
}

struct Colours {
  std::array<float, 3> mean;
  std::array<float, 3> std;
};
constexpr Colours kHalves{kHalf, kHalf};
constexpr Colours kImageNet{kImageNetMean, kImageNetStd};
constexpr Colours kClip{kClipMean, kClipStd};

Preprocessing pictures(int size, double crop_pct, const Colours& colours, ResizeMode mode = ResizeMode::kShortest) {
  return {.image_size = size,
          .resize = resize_for_crop(size, crop_pct),
          .mean = colours.mean,
          .std = colours.std,
          .resize_mode = mode};
}

std::vector<ZooEntry> make_zoo() {
  constexpr double kMargin = 0.9;  // timm's default for pictures of 224 pixels
  const Preprocessing half = pictures(224, kMargin, kHalves);
  const Preprocessing imagenet = pictures(224, kMargin, kImageNet);
  const Preprocessing imagenet_518 = pictures(518, 1, kImageNet);
  const Preprocessing imagenet_256 = pictures(256, 1, kImageNet);
  const Preprocessing clip_224 = pictures(224, kMargin, kClip);
  // Sources: timm 1.0 model registry and results-imagenet.csv.
  return {
      {"vit_t", "vit_tiny_patch16_224.augreg_in21k_ft_in1k", vit(kTiny), half, 75.45},
      {"vit_s", "vit_small_patch16_224.augreg_in21k_ft_in1k", vit(kSmall), half, 81.39},
      {"vit_b", "vit_base_patch16_224.augreg_in21k_ft_in1k", vit(kBase), half, 84.53},
      {"vit_l", "vit_large_patch16_224.augreg_in21k_ft_in1k", vit(kLarge), half, 85.83},
      {"vit_b16_384", "vit_base_patch16_384.augreg_in21k_ft_in1k", vit(kBase, 384), pictures(384, 1, kHalves)},
      {"deit_t", "deit_tiny_patch16_224.fb_in1k", vit(kTiny), imagenet, 72.2},
      {"deit_s", "deit_small_patch16_224.fb_in1k", vit(kSmall), imagenet, 79.85},
      {"deit_b", "deit_base_patch16_224.fb_in1k", vit(kBase), imagenet, 81.85},
      {"deit_t_distilled", "deit_tiny_distilled_patch16_224.fb_in1k", distilled(vit(kTiny)), imagenet, 74.5},
      {"deit_s_distilled", "deit_small_distilled_patch16_224.fb_in1k", distilled(vit(kSmall)), imagenet, 81.2},
      {"deit_b_distilled", "deit_base_distilled_patch16_224.fb_in1k", distilled(vit(kBase)), imagenet, 83.4},
      {"deit3_s", "deit3_small_patch16_224.fb_in1k", deit3(kSmall), imagenet},
      {"deit3_m", "deit3_medium_patch16_224.fb_in1k", deit3(kMedium), imagenet},
      {"deit3_b", "deit3_base_patch16_224.fb_in1k", deit3(kBase), imagenet},
      {"deit3_l", "deit3_large_patch16_224.fb_in1k", deit3(kLarge), imagenet},
      {"swin_t", "swin_tiny_patch4_window7_224.ms_in1k", swin(6, 96, 3), imagenet, 81.35},
      {"swin_s", "swin_small_patch4_window7_224.ms_in1k", swin(18, 96, 3), imagenet, 83.2},
      {"swin_b", "swin_base_patch4_window7_224.ms_in22k_ft_in1k", swin(18, 128, 4), imagenet, 85.27},
      {"swin_b_384", "swin_base_patch4_window12_384.ms_in22k_ft_in1k", swin(18, 128, 4, 12),
       pictures(384, 1, kImageNet)},
      {"swin_l", "swin_large_patch4_window7_224.ms_in22k_ft_in1k", swin(18, 192, 6), imagenet},
      // timm's tag without "quickgelu" has the same weights and another activation.
      {"clip_b32", "vit_base_patch32_clip_quickgelu_224.openai", clip(kBase, 224, 32, 512), clip_224, std::nullopt,
       "vit_base_patch32_clip_224.openai"},
      {"clip_b16", "vit_base_patch16_clip_quickgelu_224.openai", clip(kBase, 224, 16, 512), clip_224, std::nullopt,
       "vit_base_patch16_clip_224.openai"},
      {"clip_l14", "vit_large_patch14_clip_quickgelu_224.openai", clip(kLarge, 224, 14, 768), pictures(224, 1, kClip),
       std::nullopt, "vit_large_patch14_clip_224.openai"},
      {"clip_l14_336", "vit_large_patch14_clip_quickgelu_336.openai", clip(kLarge, 336, 14, 768),
       pictures(336, 1, kClip), std::nullopt, "vit_large_patch14_clip_336.openai"},
      {"siglip_b16", "vit_base_patch16_siglip_224.webli", siglip(kBase, 224, 16), half},
      {"siglip_b16_384", "vit_base_patch16_siglip_384.webli", siglip(kBase, 384, 16), pictures(384, kMargin, kHalves)},
      {"siglip_so400m", "vit_so400m_patch14_siglip_384.webli", siglip(kSo400m, 384, 14),
       pictures(384, kMargin, kHalves)},
      {"siglip2_b16", "vit_base_patch16_siglip_224.v2_webli", siglip(kBase, 224, 16), half},
      {"dinov2_s", "vit_small_patch14_dinov2.lvd142m", dinov2(kSmall, 0), imagenet_518},
      {"dinov2_b", "vit_base_patch14_dinov2.lvd142m", dinov2(kBase, 0), imagenet_518},
      {"dinov2_l", "vit_large_patch14_dinov2.lvd142m", dinov2(kLarge, 0), imagenet_518},
      {"dinov2_g", "vit_giant_patch14_dinov2.lvd142m", dinov2(kDinoV2Giant, 0), imagenet_518},
      {"dinov2_s_reg", "vit_small_patch14_reg4_dinov2.lvd142m", dinov2(kSmall, 4), imagenet_518},
      {"dinov2_b_reg", "vit_base_patch14_reg4_dinov2.lvd142m", dinov2(kBase, 4), imagenet_518},
      {"dinov2_l_reg", "vit_large_patch14_reg4_dinov2.lvd142m", dinov2(kLarge, 4), imagenet_518},
      {"dinov2_g_reg", "vit_giant_patch14_reg4_dinov2.lvd142m", dinov2(kDinoV2Giant, 4), imagenet_518},
      {"dinov3_s", "vit_small_patch16_dinov3.lvd1689m", dinov3(kSmall), imagenet_256},
      {"dinov3_b", "vit_base_patch16_dinov3.lvd1689m", dinov3(kBase), imagenet_256},
      {"dinov3_l", "vit_large_patch16_dinov3.lvd1689m", dinov3(kLarge), imagenet_256},
      {"mae_b", "vit_base_patch16_224.mae", without_head(vit(kBase)), imagenet},
      {"beit_b", "beit_base_patch16_224.in22k_ft_in22k_in1k", beit(kBase), half},
      {"eva02_t", "eva02_tiny_patch14_336.mim_in22k_ft_in1k", eva02(kEva02Tiny, 336), pictures(336, 1, kClip)},
      {"eva02_b", "eva02_base_patch14_448.mim_in22k_ft_in22k_in1k", eva02(kEva02Base, 448),
       pictures(448, 1, kClip, ResizeMode::kSquash)},
      {"swinv2_t_w8", "swinv2_tiny_window8_256.ms_in1k", swin_v2(6, 96, 3, 8), pictures(kSizeOfV2, kMargin, kImageNet),
       81.82},
      {"swinv2_t_w16", "swinv2_tiny_window16_256.ms_in1k", swin_v2(6, 96, 3, 16),
       pictures(kSizeOfV2, kMargin, kImageNet), 82.8},
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
  std::error_code ignored;
  if (entry == nullptr || std::filesystem::exists(model, ignored)) return std::nullopt;
  return std::string(entry->name);
}

std::string hub_path(const ZooEntry& entry) {
  // timm keeps each set of weights in a repository of its own, named by the tag.
  const std::string_view tag = entry.repository_tag.empty() ? entry.timm_tag : entry.repository_tag;
  return "timm/" + std::string(tag) + "/resolve/main/model.safetensors";
}

const ZooEntry* match_zoo(const ModelConfig& config, std::string_view stem) {
  std::vector<const ZooEntry*> same;
  for (const ZooEntry& entry : zoo()) {
    if (entry.config != config) continue;
    if (entry.timm_tag == stem) return &entry;
    same.push_back(&entry);
  }
  if (same.size() == 1 && config.classes > 0) return same.front();
  const auto family = [](const ZooEntry* entry) { return entry->name.substr(0, entry->name.find('_')); };
  std::string_view longest;
  const ZooEntry* found = nullptr;
  for (const ZooEntry* entry : same) {
    if (family(entry).size() <= longest.size() || stem.find(family(entry)) == std::string_view::npos) continue;
    found = entry;
    longest = family(entry);
  }
  // timm's architecture says "siglip" of SigLIP 2 as well.
  const bool may_be_later = std::ranges::any_of(
      same, [&](const ZooEntry* entry) { return family(entry) != longest && family(entry).starts_with(longest); });
  return may_be_later && !stem.starts_with(longest) ? nullptr : found;
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
