#include "models/statements.h"

#include <algorithm>
#include <cctype>
#include <charconv>

#include "engine/error.h"
#include "models/imagenet_classes.h"
#include "models/metadata.h"
#include "models/words.h"
#include "weights/artifact.h"

namespace vitq {

namespace {

constexpr std::array<float, 3> kHalves{0.5F, 0.5F, 0.5F};
constexpr std::int64_t kMostResize = 65536;
constexpr std::int64_t kWithoutMargin = 384;  // timm resizes to the crop itself from here on

double usual_crop(PictureSize size) { return std::min(size.height, size.width) >= kWithoutMargin ? 1.0 : 0.9; }

std::string pool_of(const ModelConfig& config) { return std::string(name_of(config.head().pool)); }

std::optional<std::vector<std::string>> imagenet_names(std::int64_t classes) {
  const auto names = imagenet_class_names();
  if (classes != std::ssize(names)) return std::nullopt;
  return std::vector<std::string>(names.begin(), names.end());
}

// Depth, width and heads of the encoders that are published for pictures of 128 pixels and more, MLP of 4 widths
// (Dosovitskiy et al., arXiv 2010.11929; Zhai et al., arXiv 2106.04560; Touvron et al., arXiv 2012.12877).
struct Encoder {
  const char* name = nullptr;
  Stage blocks;
};

constexpr Encoder kEncoders[] = {
    {"ViT-Ti", {.depth = 12, .dim = 192, .heads = 3, .hidden = 768}},
    {"ViT-S", {.depth = 12, .dim = 384, .heads = 6, .hidden = 1536}},
    {"ViT-B", {.depth = 12, .dim = 768, .heads = 12, .hidden = 3072}},
    {"ViT-L", {.depth = 24, .dim = 1024, .heads = 16, .hidden = 4096}},
    {"ViT-H", {.depth = 32, .dim = 1280, .heads = 16, .hidden = 5120}},
    {"ViT-g", {.depth = 40, .dim = 1408, .heads = 16, .hidden = 6144}},
    {"ViT-G", {.depth = 48, .dim = 1664, .heads = 16, .hidden = 8192}},
    {"SO400M", {.depth = 27, .dim = 1152, .heads = 16, .hidden = 4304}},
};

// The same with gated MLPs: Fang et al., arXiv 2303.11331, whose hidden width is 8/3 of the width, and the largest of
// Oquab et al., arXiv 2304.07193.
constexpr Encoder kEva02[] = {
    {"EVA-02-Ti", {.depth = 12, .dim = 192, .heads = 3, .hidden = 512}},
    {"EVA-02-S", {.depth = 12, .dim = 384, .heads = 6, .hidden = 1024}},
    {"EVA-02-B", {.depth = 12, .dim = 768, .heads = 12, .hidden = 2048}},
    {"EVA-02-L", {.depth = 24, .dim = 1024, .heads = 16, .hidden = 2730}},
};
constexpr Encoder kDinoV2Giant = {"DINOv2-g", {.depth = 40, .dim = 1536, .heads = 24, .hidden = 4096}};

bool has_shape_of(const Stage& blocks, const Stage& known) {
  return known.depth == blocks.depth && known.dim == blocks.dim && known.hidden == blocks.hidden;
}

std::optional<std::pair<Stated, std::string>> stated_by_gated_shapes(const ModelConfig& config) {
  const VitConfig& vit = config.vit();
  if (config.rms_norm || !vit.positions) return std::nullopt;
  Stated says{.eps = 1e-6, .activation = "silu", .pool = pool_of(config), .rope = "eva02"};
  const auto* encoder =
      std::ranges::find_if(kEva02, [&](const Encoder& known) { return has_shape_of(vit.blocks, known.blocks); });
  if (encoder == std::end(kEva02)) {
    if (!has_shape_of(vit.blocks, kDinoV2Giant.blocks)) return std::nullopt;
    encoder = &kDinoV2Giant;
    says.rope = "none";
  }
  says.heads = encoder->blocks.heads;
  return std::pair(says, "shapes of " + std::string(encoder->name));
}

bool is_published_grid(const ModelConfig& config) {
  constexpr std::int64_t kPatches[] = {8, 14, 16, 32};
  constexpr std::int64_t kLeastSize = 128;
  return std::ranges::find(kPatches, config.patch) != std::end(kPatches) &&
         std::min(config.image_size.height, config.image_size.width) >= kLeastSize;
}

// Whether a CLIP's head has as many outputs as its text tower is wide, and no class would know (open_clip's models).
bool is_width_of_projection(const ModelConfig& config) {
  constexpr std::int64_t kWidths[] = {512, 640, 768, 896, 1024, 1280};
  const auto* vit = std::get_if<VitConfig>(&config.body);
  return vit != nullptr && (vit->pre_norm || vit->blocks.attn_norm) &&
         std::ranges::find(kWidths, config.classes) != std::end(kWidths);
}

}  // namespace

void Statements::add(Stated says, Source source, std::string from, std::set<std::string, std::less<>> guesses) {
  all_.push_back({std::move(says), source, std::move(from), std::move(guesses)});
}

std::optional<Said<PictureSize>> Statements::find_resize(const Checkpoint& checkpoint, PictureSize image_size) const {
  for (const Statement& one : all_) {
    if (!one.says.resize && !one.says.crop_pct) continue;
    const auto side = [&] {
      if (!one.says.resize) return resize_for_crop(image_size, *one.says.crop_pct);
      const PictureSize resize = *one.says.resize;
      const bool covers = resize.height >= image_size.height && resize.width >= image_size.width;
      check(resize == PictureSize() || (covers && std::max(resize.height, resize.width) <= kMostResize), "resize is ",
            to_string(resize), ", expected 0 (none) or ", to_string(image_size), " to ", kMostResize);
      return resize;
    };
    return said(one, one.source == Source::kCaller ? side() : of_file(checkpoint, side), "resize");
  }
  return std::nullopt;
}

Stated stated_by_file(const Checkpoint& checkpoint, const ModelConfig& shapes) {
  Stated says;
  if (!is_of_vitq(checkpoint)) return says;
  says.name = metadata_text(checkpoint, "model");
  says.image_size = metadata_size(checkpoint, "image_size");
  says.trained_size = metadata_size(checkpoint, "trained_size");
  says.position_filter = metadata_text(checkpoint, "position_filter").value_or("antialiased");
  says.heads = metadata_integer(checkpoint, "heads");
  says.eps = metadata_number(checkpoint, "eps");
  // Before these were written, there was one kind of each.
  says.activation = metadata_text(checkpoint, "activation").value_or("gelu");
  says.pool = metadata_text(checkpoint, "pool").value_or(pool_of(shapes));
  says.head = metadata_text(checkpoint, "head").value_or("classes");
  says.rope = metadata_text(checkpoint, "rope").value_or("none");
  says.window = metadata_integer(checkpoint, "window");
  says.trained_windows = metadata_integers(checkpoint, "trained_windows");
  says.interpolation = metadata_text(checkpoint, "interpolation").value_or("bicubic");
  says.resize_mode = metadata_text(checkpoint, "resize_mode").value_or("shortest");
  says.crop_offset = metadata_text(checkpoint, "crop_offset").value_or("even");
  says.resize_rounding = metadata_text(checkpoint, "resize_rounding").value_or("bytes");
  says.mean = metadata_colours(checkpoint, "mean");
  says.std = metadata_colours(checkpoint, "std");
  says.crop_pct = metadata_number(checkpoint, "crop_pct");
  if (const auto resize = metadata_size(checkpoint, "resize")) {
    const auto [least, most] = std::minmax(resize->height, resize->width);
    check(least >= 0 && most <= kMostResize, ErrorCode::kFormat, checkpoint.source(), ": metadata 'resize' is ",
          to_string(*resize), ", expected 0 to ", kMostResize);
    says.resize = resize;
  }
  // vitq writes names where they are not ImageNet's; until a name could hold a comma, with commas between.
  says.classes = metadata_json_list(checkpoint, "class_names");
  if (!says.classes) says.classes = metadata_list(checkpoint, "classes");
  if (!says.classes) says.classes = imagenet_names(shapes.classes);
  return says;
}

std::set<std::string, std::less<>> guesses_of_file(const Checkpoint& checkpoint) {
  if (!is_of_vitq(checkpoint)) return {};
  const auto words = metadata_list(checkpoint, "assumed").value_or(std::vector<std::string>());
  return {words.begin(), words.end()};
}

Stated structure_of(const ZooEntry& row) {
  const bool is_vit = row.config.architecture() == Architecture::kVit;
  return {.name = std::string(row.name),
          .image_size = row.config.image_size,
          .heads = is_vit ? std::optional(row.config.vit().blocks.heads) : std::nullopt,
          .eps = double{row.config.eps},
          .activation = std::string(name_of(row.config.stages().front().activation)),
          .pool = pool_of(row.config),
          .head = row.config.projection > 0 ? "projection" : "classes",
          .rope = is_vit ? std::optional(std::string(name_of(row.config.vit().rope))) : std::nullopt,
          .window = is_vit ? std::nullopt : std::optional(row.config.swin().window),
          .trained_windows = is_vit ? std::nullopt : std::optional(row.config.swin().trained_windows)};
}

Stated preprocessing_of(const ZooEntry& row) {
  return {.mean = row.preprocessing.mean,
          .std = row.preprocessing.std,
          .resize = row.preprocessing.resize,
          .interpolation = "bicubic",
          .resize_mode = row.preprocessing.resize_mode == ResizeMode::kSquash ? "squash" : "shortest",
          .classes = imagenet_names(row.config.classes)};
}

Stated stated_by_tensors(const ModelConfig& shapes) {
  Stated says;
  if (shapes.image_size.pixels() > 0) says.image_size = shapes.image_size;
  const auto* vit = std::get_if<VitConfig>(&shapes.body);
  if (vit == nullptr) {
    says.head = "classes";
    if (shapes.swin().window > 0) says.window = shapes.swin().window;
    return says;
  }
  if (vit->blocks.heads > 0) says.heads = vit->blocks.heads;
  // Nobody publishes rotations beside positions of another kind but with gated MLPs.
  if (vit->relative_bias || (vit->positions && !vit->blocks.is_gated)) says.rope = "none";
  if (!is_width_of_projection(shapes)) says.head = "classes";
  return says;
}

std::optional<std::pair<Stated, std::string>> stated_by_shapes(const ModelConfig& config) {
  Stated says{.activation = "gelu", .pool = pool_of(config)};
  if (config.architecture() == Architecture::kSwin) {
    const auto row = std::ranges::find_if(zoo(), [&](const ZooEntry& entry) {
      return entry.config.architecture() == Architecture::kSwin && entry.config.patch == config.patch &&
             entry.config.swin().stages == config.swin().stages;
    });
    if (row == zoo().end()) return std::nullopt;
    says.eps = row->config.eps;
    return std::pair(says, "shapes of " + std::string(row->name));
  }
  const VitConfig& vit = config.vit();
  const bool is_dinov3 = !vit.positions && !vit.relative_bias && vit.class_token && vit.registers == 4;
  if (!is_published_grid(config) && !is_dinov3) return std::nullopt;
  if (vit.blocks.is_gated && !is_dinov3) return stated_by_gated_shapes(config);
  const auto* encoder =
      std::ranges::find_if(kEncoders, [&](const Encoder& known) { return has_shape_of(vit.blocks, known.blocks); });
  if (encoder == std::end(kEncoders)) return std::nullopt;
  says.heads = encoder->blocks.heads;
  says.eps = 1e-6;
  if (is_dinov3) {
    says.eps = 1e-5;
    says.rope = "dinov3";
    if (vit.blocks.is_gated) says.activation = "silu";
    return std::pair(says, "shapes of DINOv3's " + std::string(encoder->name));
  }
  // CLIP's have one GELU or the other, and so have SigLIP's.
  if (vit.pre_norm) says.eps = 1e-5;
  if (vit.pre_norm || vit.pool == Pool::kAttention || !vit.class_token) says.activation = std::nullopt;
  return std::pair(says, "shapes of " + std::string(encoder->name));
}

Stated windows_of_name(std::string_view name) {
  constexpr std::string_view kFamily = "swinv2_";
  constexpr std::string_view kWindow = "_window";
  const std::size_t family = name.find(kFamily);
  const std::size_t at = name.find(kWindow, family == std::string_view::npos ? name.size() : family);
  if (at == std::string_view::npos) return {};
  std::string_view rest = name.substr(at + kWindow.size());
  const auto skips = [&](std::string_view word) {
    const bool is_there = rest.starts_with(word);
    if (is_there) rest.remove_prefix(word.size());
    return is_there;
  };
  const auto number = [&]() -> std::optional<std::int64_t> {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), value);
    if (error != std::errc() || value < 1 || value > kMostResize) return std::nullopt;
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    return value;
  };
  const auto first = number();
  const auto second = first && skips("to") ? number() : std::nullopt;
  Stated says;
  if (!first) return says;
  says.window = second ? second : first;
  says.trained_windows = std::vector<std::int64_t>();
  // Their last stage was one of half the window.
  if (second) says.trained_windows = std::vector<std::int64_t>{*first, *first, *first, *first / 2};
  const auto size = skips("_") ? number() : std::nullopt;
  const auto larger = size && skips("to") ? number() : std::nullopt;
  says.image_size = larger ? larger : size;
  return says;
}

Stated stated_by_name(std::string_view stem, PictureSize image_size) {
  std::string name(stem);
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const auto has = [&](const char* word) { return name.find(word) != std::string::npos; };
  const Preprocessing imagenet;
  Stated says = windows_of_name(name);
  if (has("deit") || has("swin") || has("dino") || has("mae")) {
    says.mean = imagenet.mean;
    says.std = imagenet.std;
  } else if (has("vit")) {
    says.mean = says.std = kHalves;
  } else {
    return says;
  }
  says.crop_pct = usual_crop(image_size);
  return says;
}

Stated usually(const ModelConfig& config) {
  const Preprocessing imagenet;
  const bool is_vit = config.architecture() == Architecture::kVit;
  constexpr std::int64_t kPublishedHeadDim = 64;
  Stated says{.eps = is_vit && !config.vit().pre_norm ? 1e-6 : 1e-5,
              .activation = "gelu",
              .pool = pool_of(config),
              .mean = imagenet.mean,
              .std = imagenet.std,
              .crop_pct = usual_crop(config.image_size),
              .interpolation = "bicubic",
              .classes = imagenet_names(config.classes)};
  says.head = "projection";  // where the tensors leave it open
  if (is_vit) {
    const VitConfig& vit = config.vit();
    if (vit.blocks.is_gated) says.activation = "silu";
    if (vit.blocks.dim % kPublishedHeadDim == 0) says.heads = vit.blocks.dim / kPublishedHeadDim;
    says.rope = "none";
    constexpr std::int64_t kUsualGrid = 16;
    if (!vit.positions) says.image_size = kUsualGrid * config.patch;
  }
  // One window at the last stage: 224 pixels for 7 tokens, 384 for 12. Those of a V2 are cut to a stage.
  if (!is_vit) says.image_size = (config.patch << (config.stages().size() - 1)) * config.swin().window;
  if (!is_vit && config.swin().is_v2()) {
    constexpr std::int64_t kUsualSize = 256;
    says.image_size = kUsualSize;
    says.trained_windows = std::vector<std::int64_t>();
  }
  return says;
}

}  // namespace vitq
