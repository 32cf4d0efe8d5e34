#include <algorithm>
#include <cmath>
#include <iterator>

#include "models/hub_config.h"
#include "models/words.h"

namespace vitq {
namespace {

/// What a kind of image processor does where its file is silent, and how it takes a size that is one number
/// (transformers 5.24).
struct Processor {
  std::string_view name;
  bool is_whole = true;  ///< one number is both sides; else the short one
  bool crops = false;
  bool rounds = true;  ///< what is resized, to bytes
};

constexpr Processor kProcessors[] = {
    {.name = "ViT"},
    {.name = "DeiT", .crops = true},
    {.name = "Beit", .crops = true},
    {.name = "CLIP", .is_whole = false, .crops = true},
    {.name = "Siglip"},
    {.name = "Bit", .is_whole = false, .crops = true},
    {.name = "DINOv3ViT", .rounds = false},
};

/// "CLIP" for CLIPImageProcessor, CLIPImageProcessorFast and the old CLIPFeatureExtractor.
const Processor& processor_of(const JsonConfig& config) {
  static constexpr Processor kNobodys;
  constexpr const char* kKeys[] = {"image_processor_type", "feature_extractor_type"};
  for (const char* key : kKeys) {
    const auto type = config.text(key);
    if (!type) continue;
    const auto is_of = [&](const Processor& processor) {
      const std::string_view rest = std::string_view(*type).substr(std::min(type->size(), processor.name.size()));
      return type->starts_with(processor.name) &&
             (rest.starts_with("ImageProcessor") || rest.starts_with("FeatureExtractor"));
    };
    const auto* found = std::ranges::find_if(kProcessors, is_of);
    if (found == std::end(kProcessors)) {
      config.refuse(key, "what the image processors of ViT, DeiT, Beit, CLIP, Siglip, Bit and DINOv3ViT do");
    }
    return *found;
  }
  return kNobodys;
}

/// Both sides, or the short one.
struct Size {
  PictureSize sides;
  bool is_whole = true;  ///< both
};

std::optional<Size> size_of(const JsonConfig& config, const std::string& key, bool is_whole) {
  const JsonConfig size = config.below(key);
  if (const auto edge = size.integer("shortest_edge")) {
    if (size.has("longest_edge")) config.refuse(key + ".longest_edge", "the shortest edge alone");
    return Size{*edge, false};
  }
  if (const auto height = size.integer("height")) {
    const auto width = size.integer("width");
    if (!width) size.refuse("height", "height and width");
    return Size{{*height, *width}, true};
  }
  if (config.has(key)) {
    const auto sides = config.size(key);
    if (sides) return Size{*sides, is_whole || !sides->is_square()};
    config.refuse(key, "shortest_edge, or height and width");
  }
  return std::nullopt;
}

/// Told by PIL's number of a filter. Where nothing is resized, one that vitq does not compute is no matter.
std::optional<std::string> interpolation_of(const JsonConfig& config, bool resizes) {
  constexpr std::int64_t kBilinear = 2;
  constexpr std::int64_t kBicubic = 3;
  const auto number = config.integer("resample");
  if (number == kBilinear) return "bilinear";
  if (number == kBicubic) return "bicubic";
  if (resizes && config.has("resample")) config.refuse("resample", "2 (bilinear) and 3 (bicubic)");
  return std::nullopt;
}

void check_computed(const JsonConfig& config) {
  constexpr double kRescale = 1.0 / 255;
  constexpr double kTolerance = 1e-9;  // the file has fewer digits
  if (!config.truth("do_rescale").value_or(true)) config.refuse("do_rescale", "pixels between 0 and 1");
  if (std::abs(config.number("rescale_factor").value_or(kRescale) - kRescale) > kTolerance) {
    config.refuse("rescale_factor", "1/255");
  }
  if (config.truth("do_pad").value_or(false)) config.refuse("do_pad", "pictures without a border");
}

}  // namespace

Stated stated_by_preprocessor(const JsonConfig& config) {
  check_computed(config);
  const Processor& processor = processor_of(config);
  Stated says{.mean = config.colours("image_mean"), .std = config.colours("image_std")};
  if (!config.truth("do_normalize").value_or(true)) {
    says.mean = {0, 0, 0};
    says.std = {1, 1, 1};
  }
  const auto size = size_of(config, "size", processor.is_whole);
  const auto crop = size_of(config, "crop_size", true);
  const bool crops = config.truth("do_center_crop").value_or(processor.crops) && crop.has_value();
  const bool resizes = config.truth("do_resize").value_or(true) && size.has_value();
  says.crop_offset = "down";
  says.interpolation = interpolation_of(config, resizes);
  if (crops) {
    says.image_size = crop->sides;
  } else if (resizes && size->is_whole) {
    says.image_size = size->sides;
  }
  if (!resizes) {
    says.resize = 0;
    return says;
  }
  if (!crops && !size->is_whole)
    config.refuse("do_center_crop", "pictures of one size: a crop after a resize of the shortest edge");
  const PictureSize cropped = crops ? crop->sides : size->sides;
  check(cropped.height <= size->sides.height && cropped.width <= size->sides.width, ErrorCode::kUnsupported,
        config.file(), ": crop_size is ", to_string(cropped), " and size ", to_string(size->sides),
        ", vitq computes a crop that is not larger");
  says.resize = size->sides;
  says.resize_rounding = processor.rounds ? "bytes" : "float";
  says.resize_mode = size->is_whole ? "squash" : "shortest";
  return says;
}

}  // namespace vitq
