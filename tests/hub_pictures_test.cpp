// Resize and crop as timm's and transformers' preprocessing do it, byte for byte, with Pillow up to 12
// (../shared/golden/families/preprocess, where it is there).

#include <doctest/doctest.h>

#include <iostream>
#include <string>

#include "engine/error.h"
#include "engine/picture/resize.h"
#include "tests/reference_values.h"
#include "tests/shared_folder.h"

using namespace vitq;

namespace {

struct Variant {
  const char* name;
  PictureSize resize;
  PictureSize crop;
  Interpolation interpolation = Interpolation::kBicubic;
  ResizeMode mode = ResizeMode::kShortest;
  CropOffset offset = CropOffset::kEven;
};

constexpr auto kLinear = Interpolation::kBilinear;
constexpr auto kCubic = Interpolation::kBicubic;
constexpr auto kShort = ResizeMode::kShortest;
constexpr auto kSquash = ResizeMode::kSquash;

constexpr Variant kVariants[] = {
    {"bicubic224_crop0.9", 248, 224},
    {"bicubic224_crop0.875", 256, 224},
    {"bicubic224_crop0.95", 235, 224},
    {"bicubic224_crop1.0", 224, 224},
    {"bicubic224x336_crop0.9", {248, 373}, {224, 336}},
    {"bicubic224_border1.0", 224, 224, kCubic, ResizeMode::kBorder},
    {"bicubic224_border0.9", 248, 224, kCubic, ResizeMode::kBorder},
    {"bicubic256_crop0.9", 284, 256},
    {"bicubic256_crop1.0", 256, 256},
    {"bicubic336_crop1.0", 336, 336},
    {"bicubic384_crop1.0", 384, 384},
    {"bicubic518_crop1.0", 518, 518},
    {"bilinear224_crop0.9", 248, 224, kLinear},
    {"bilinear224_crop0.875", 256, 224, kLinear},
    {"bicubic224_squash1.0", 224, 224, kCubic, kSquash},
    {"bicubic224_squash0.9", 248, 224, kCubic, kSquash},
    {"bicubic384_squash1.0", 384, 384, kCubic, kSquash},
    {"bicubic518_squash1.0", 518, 518, kCubic, kSquash},
    {"bilinear224_squash1.0", 224, 224, kLinear, kSquash},
    {"bilinear224_squash0.875", 256, 224, kLinear, kSquash},
    {"hf_clip", 224, 224, kCubic, kShort, CropOffset::kDown},
    {"hf_siglip", 224, 224, kCubic, kSquash, CropOffset::kDown},
    {"hf_vit", 224, 224, kLinear, kSquash, CropOffset::kDown},
    {"hf_dinov2", 256, 224, kCubic, kShort, CropOffset::kDown},
    {"hf_deit", 256, 224, kCubic, kSquash, CropOffset::kDown},
};

}  // namespace

TEST_CASE("hub pictures: timm's and transformers' preprocessing to the byte") {
  const auto shared = test::shared_folder();
  if (!shared) {
    std::cout << "SKIPPED: no ../shared folder with golden/families\n";
    return;
  }
  const auto folder = *shared / "golden/families/preprocess";
  int count = 0;
  for (const std::string source : {"landscape", "portrait", "small"}) {
    const Image picture = load_image(folder / (source + ".png"));
    for (const Variant& variant : kVariants) {
      const auto file = folder / (source + '.' + variant.name + ".png");
      if (!std::filesystem::exists(file)) continue;
      CAPTURE(file.string());
      Preprocessing how;
      how.image_size = variant.crop;
      how.resize = variant.resize;
      how.interpolation = variant.interpolation;
      how.resize_mode = variant.mode;
      how.crop_offset = variant.offset;
      CHECK(resized(picture, how).rgb == load_image(file).rgb);
      ++count;
    }
  }
  std::cout << count << " pictures equal\n";
  CHECK(count == 50);
}

TEST_CASE("a picture that is resized in float is close to the same in bytes, and not equal") {
  Image wide{90, 40, std::vector<std::uint8_t>(90 * 40 * 3)};
  for (std::size_t i = 0; i < wide.rgb.size(); ++i) wide.rgb[i] = static_cast<std::uint8_t>(7 * i);
  for (const ResizeMode mode : {kShort, kSquash}) {
    for (const PictureSize size : {PictureSize(20), PictureSize(16, 28)}) {
      Preprocessing how{.image_size = size, .resize = PictureSize(30), .resize_mode = mode};
      std::vector<float> bytes(3 * size.pixels());
      std::vector<float> floats(bytes.size());
      preprocess(wide, how, bytes);
      how.resize_rounding = ResizeRounding::kNone;
      preprocess(wide, how, floats);
      // Two roundings of half a byte; what Pillow cuts off at black and white is not cut off here.
      const double step = 1 / 255.0 / how.std[2];
      const double worst = test::largest_difference(floats, bytes);
      CHECK(worst > step / 4);
      CHECK(worst < 1.6 * step);
    }
  }
  Preprocessing bordered{.image_size = 20, .resize = 20, .resize_mode = ResizeMode::kBorder};
  bordered.resize_rounding = ResizeRounding::kNone;
  std::vector<float> room(1200);
  CHECK_THROWS_WITH_AS(preprocess(wide, bordered, room), doctest::Contains("resized in bytes"), Error);
}

TEST_CASE("a picture is squashed to a square whatever its sides, and an odd crop begins where it is asked to") {
  Image wide{9, 4, std::vector<std::uint8_t>(9 * 4 * 3)};
  for (std::size_t i = 0; i < wide.rgb.size(); ++i) wide.rgb[i] = static_cast<std::uint8_t>(7 * i);
  const auto squashed = resize_and_crop(wide, 6, 6, kCubic, kSquash);
  CHECK(squashed.rgb == resize(wide, 6, 6).rgb);
  // 4 of 9 columns: 2.5 to the left, half to even is 2 and down is 2; 4 of 7: 1.5, 2 and 1.
  CHECK(center_crop(wide, 4).rgb == center_crop(wide, 4, CropOffset::kDown).rgb);
  const Image seven{7, 4, std::vector<std::uint8_t>(wide.rgb.begin(), wide.rgb.begin() + 7 * 4 * 3)};
  const Image even = center_crop(seven, 4);
  const Image down = center_crop(seven, 4, CropOffset::kDown);
  CHECK(even.rgb[0] == seven.rgb[2 * 3]);
  CHECK(down.rgb[0] == seven.rgb[1 * 3]);
}
