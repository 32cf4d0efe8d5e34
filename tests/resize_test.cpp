// Resize, crop and normalise against a slow reference and against what must hold for any picture.

#include "engine/picture/resize.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "engine/error.h"
#include "engine/picture/image_header.h"

namespace {

using vitq::Image;

Image constant(int width, int height, const std::array<std::uint8_t, 3>& color) {
  Image image{width, height, {}};
  for (int i = 0; i < width * height; ++i) image.rgb.insert(image.rgb.end(), color.begin(), color.end());
  return image;
}

/// Noise over the whole range, so that negative lobes and clamping are met.
Image noise(int width, int height, unsigned seed) {
  std::mt19937 random(seed);
  Image image{width, height, std::vector<std::uint8_t>(static_cast<std::size_t>(width) * height * 3)};
  for (std::uint8_t& byte : image.rgb)
    byte = static_cast<std::uint8_t>(random() % 4 == 0 ? random() % 2 * 255 : random());
  return image;
}

/// One line of samples resized, one at a time, straight from the definition: no strips, no lanes, no shared tables.
std::vector<std::int64_t> resize_line(const std::vector<std::int64_t>& line, int to) {
  const int from = static_cast<int>(line.size());
  const double scale = static_cast<double>(from) / to;
  const double widening = scale > 1 ? scale : 1;
  std::vector<std::int64_t> out;
  for (int i = 0; i < to; ++i) {
    const double center = (i + 0.5) * scale;
    const int begin = std::max(0, static_cast<int>(center - 2 * widening + 0.5));
    const int end = std::min(from, static_cast<int>(center + 2 * widening + 0.5));
    std::vector<double> weights;
    double sum = 0;
    for (int tap = begin; tap < end; ++tap) {
      const double x = std::abs((tap - center + 0.5) * (1 / widening));
      const double near = (1.5 * x - 2.5) * x * x + 1;
      const double far = (((x - 5) * x + 8) * x - 4) * -0.5;
      weights.push_back(x < 1 ? near : (x < 2 ? far : 0));
      sum += weights.back();
    }
    std::int64_t total = 1 << 21;
    for (int tap = begin; tap < end; ++tap) total += std::llround(weights[tap - begin] / sum * (1 << 22)) * line[tap];
    out.push_back(std::clamp<std::int64_t>(total >> 22, 0, 255));
  }
  return out;
}

Image slow_resize(const Image& image, int width, int height) {
  Image across{width, image.height, std::vector<std::uint8_t>(static_cast<std::size_t>(width) * image.height * 3)};
  Image out{width, height, std::vector<std::uint8_t>(static_cast<std::size_t>(width) * height * 3)};
  for (int c = 0; c < 3; ++c) {
    for (int y = 0; y < image.height; ++y) {
      std::vector<std::int64_t> line;
      for (int x = 0; x < image.width; ++x) line.push_back(image.rgb[(y * image.width + x) * 3 + c]);
      line = resize_line(line, width);
      for (int x = 0; x < width; ++x) across.rgb[(y * width + x) * 3 + c] = static_cast<std::uint8_t>(line[x]);
    }
    for (int x = 0; x < width; ++x) {
      std::vector<std::int64_t> line;
      for (int y = 0; y < image.height; ++y) line.push_back(across.rgb[(y * width + x) * 3 + c]);
      line = resize_line(line, height);
      for (int y = 0; y < height; ++y) out.rgb[(y * width + x) * 3 + c] = static_cast<std::uint8_t>(line[y]);
    }
  }
  return out;
}

/// Bytes 16 to 23 of a linear congruential generator's numbers.
Image generated(int width, int height, std::uint32_t seed) {
  Image image{width, height, std::vector<std::uint8_t>(static_cast<std::size_t>(width) * height * 3)};
  for (std::uint8_t& byte : image.rgb) {
    seed = (seed * 1103515245U + 12345U) & 0x7fffffffU;
    byte = static_cast<std::uint8_t>(seed >> 16);
  }
  return image;
}

template <class Function>
std::string refusal(Function&& function) {
  try {
    function();
    FAIL("not refused");
  } catch (const vitq::Error& error) {
    return error.what();
  }
  return {};
}

}  // namespace

TEST_CASE("resize: equals the slow reference") {
  struct Case {
    int width, height, to_width, to_height;
  };
  // Shrinking, growing, one of each, one side unchanged, single pixels, sizes around the strip of 16 rows and pixels.
  const Case cases[] = {{64, 48, 20, 15}, {20, 15, 64, 48}, {33, 17, 17, 33}, {31, 40, 31, 20}, {31, 40, 15, 40},
                        {1, 1, 5, 7},     {1, 50, 9, 9},    {50, 1, 9, 9},    {7, 5, 1, 1},     {16, 16, 16, 17},
                        {97, 3, 11, 32},  {300, 2, 5, 3},   {2, 300, 3, 5},   {15, 17, 47, 49}, {200, 150, 37, 28}};
  unsigned seed = 1;
  for (const Case& c : cases) {
    CAPTURE(c.width);
    CAPTURE(c.height);
    CAPTURE(c.to_width);
    const Image image = noise(c.width, c.height, seed++);
    const Image fast = vitq::resize(image, c.to_width, c.to_height);
    CHECK(fast.width == c.to_width);
    CHECK(fast.height == c.to_height);
    CHECK(fast.rgb == slow_resize(image, c.to_width, c.to_height).rgb);
  }
}

TEST_CASE("resize: bilinear equals Pillow's to the byte") {
  struct Case {
    int width, height, to_width, to_height;
    std::uint32_t seed, crc;
  };
  // The checksums are those of Pillow 12's Image.resize((to_width, to_height), BILINEAR) of the same picture.
  const Case cases[] = {{37, 23, 16, 10, 1, 0x3f85e2e4U},
                        {16, 10, 37, 23, 2, 0x93bae73aU},
                        {64, 64, 7, 64, 3, 0x588b7012U},
                        {5, 300, 5, 31, 4, 0xa158288eU},
                        {50, 40, 50, 40, 5, 0xff785dd4U}};
  for (const Case& c : cases) {
    CAPTURE(c.seed);
    const Image image = generated(c.width, c.height, c.seed);
    CHECK(vitq::png_checksum(vitq::resize(image, c.to_width, c.to_height, vitq::Interpolation::kBilinear).rgb) ==
          c.crc);
  }
}

TEST_CASE("resize: known values of a step") {
  // 0 0 255 255 doubled: weights at a quarter are -9, 111, 29, -3 over 128 (a = -0.5), clamped at both ends.
  Image step = constant(4, 1, {0, 0, 0});
  std::fill(step.rgb.begin() + 6, step.rgb.end(), std::uint8_t{255});
  const Image wide = vitq::resize(step, 8, 1);
  const std::vector<int> expected{0, 0, 0, 52, 203, 255, 255, 255};
  for (int x = 0; x < 8; ++x) {
    CAPTURE(x);
    CHECK(wide.rgb[x * 3] == expected[x]);
  }
}

TEST_CASE("resize: the same size changes nothing") {
  for (const auto& [width, height] : {std::pair{1, 1}, {17, 33}, {64, 64}}) {
    const Image image = noise(width, height, 7);
    CHECK(vitq::resize(image, width, height).rgb == image.rgb);
  }
}

TEST_CASE("resize: one colour stays that colour") {
  // The weights of an output add up to 2^22 but for rounding, which may not show in any byte.
  for (const int size : {1, 3, 40, 100, 333}) {
    for (const std::uint8_t value : std::vector<std::uint8_t>{0, 1, 127, 254, 255}) {
      const std::array<std::uint8_t, 3> color{value, 255, 3};
      CHECK(vitq::resize(constant(100, 57, color), size, size + 2).rgb == constant(size, size + 2, color).rgb);
    }
  }
}

TEST_CASE("resize: short side as torchvision") {
  const auto size_of = [](int width, int height, int side) {
    const Image out = vitq::resize_short_side(constant(width, height, {1, 2, 3}), side);
    return std::pair{out.width, out.height};
  };
  CHECK(size_of(50, 30, 24) == std::pair{40, 24});
  CHECK(size_of(30, 50, 24) == std::pair{24, 40});
  CHECK(size_of(33, 25, 24) == std::pair{31, 24});  // 31.68, cut down
  CHECK(size_of(20, 20, 24) == std::pair{24, 24});
  CHECK(size_of(3, 100, 6) == std::pair{6, 200});
}

TEST_CASE("crop: offset is rounded half to even") {
  // Pixel x holds the value x: the first one of the crop tells the offset.
  const auto offset = [](int side, int size) {
    Image image{side, side, {}};
    for (int i = 0; i < side * side; ++i) {
      image.rgb.insert(image.rgb.end(), {static_cast<std::uint8_t>(i % side), static_cast<std::uint8_t>(i / side), 9});
    }
    const Image crop = vitq::center_crop(image, size);
    CHECK(crop.width == size);
    CHECK(crop.height == size);
    CHECK(crop.rgb[0] == crop.rgb[1]);
    return int{crop.rgb[0]};
  };
  CHECK(offset(10, 10) == 0);
  CHECK(offset(11, 10) == 0);  // 0.5 -> 0
  CHECK(offset(12, 10) == 1);
  CHECK(offset(13, 10) == 2);  // 1.5 -> 2
  CHECK(offset(15, 10) == 2);  // 2.5 -> 2
  CHECK(offset(17, 10) == 4);  // 3.5 -> 4
}

TEST_CASE("resize and crop: equals one after the other") {
  unsigned seed = 50;
  for (const auto& size : {std::pair{80, 60}, {60, 81}, {24, 24}, {11, 90}, {7, 5}, {300, 33}, {1, 9}}) {
    for (const int resize : {20, 25, 32}) {
      CAPTURE(size.first);
      CAPTURE(resize);
      const Image image = noise(size.first, size.second, seed++);
      const Image expected = vitq::center_crop(vitq::resize_short_side(image, resize), 20);
      CHECK(vitq::resize_and_crop(image, resize, 20).rgb == expected.rgb);
    }
  }
}

TEST_CASE("resize and crop: a line of 20000 pixels is no matter") {
  const std::array<std::uint8_t, 3> color{10, 200, 30};
  for (const auto& [width, height] : {std::pair{20000, 1}, {1, 20000}, {65536, 1}}) {
    CHECK(vitq::resize_and_crop(constant(width, height, color), 248, 224).rgb == constant(224, 224, color).rgb);
  }
  CHECK(refusal([] {
          vitq::resize_short_side(constant(20000, 1, {0, 0, 0}), 248);
        }) ==
        "resizing a picture of 20000 x 1 pixels to a short side of 248 makes 4960000 x 248; the limit is 100000000 "
        "pixels");
}

TEST_CASE("resize and crop: what cannot be done is refused") {
  const Image image = constant(30, 20, {1, 2, 3});
  CHECK(refusal([&] { vitq::center_crop(image, 24); }) ==
        "a picture of 30 x 20 pixels is smaller than the crop of 24 x 24: resize it to a short side of at least 24");
  CHECK(
      refusal([&] { vitq::resize_and_crop(image, 23, 24); }).starts_with("a picture of 34 x 23 pixels after resizing"));
  CHECK(refusal([&] { vitq::center_crop(image, 0); }).starts_with("cannot crop"));
  CHECK(refusal([&] { vitq::resize_and_crop(image, -1, 24); }).starts_with("cannot resize"));
  CHECK(refusal([&] { vitq::resize_and_crop(image, 1 << 30, 24); }).starts_with("cannot resize"));
  CHECK(refusal([&] { vitq::resize(image, 0, 5); }).starts_with("cannot resize"));
  CHECK(refusal([&] { vitq::resize(image, 1 << 30, 1 << 30); }).starts_with("cannot resize"));
  CHECK(refusal([&] { vitq::resize(Image{}, 5, 5); }).starts_with("a picture of 0 x 0 pixels"));
  CHECK(refusal([&] { vitq::resize(Image{4, 4, {1, 2, 3}}, 5, 5); }).ends_with("but holds 3"));
  // The picture between the two passes counts too.
  CHECK(refusal([&] { vitq::resize(constant(1, 20000, {1, 2, 3}), 60000, 10); }).ends_with("smaller first"));
}

TEST_CASE("normalize: value and order") {
  Image image{2, 1, {0, 51, 255, 255, 102, 0}};
  std::vector<float> chw(6);
  vitq::normalize(image, {.mean = {0.5F, 0.25F, 0.0F}, .std = {0.5F, 0.5F, 2.0F}}, chw);
  const std::vector<double> expected{-1.0, 1.0, -0.1, 0.3, 0.5, 0.0};
  for (int i = 0; i < 6; ++i) CHECK(chw[i] == doctest::Approx(expected[i]).epsilon(1e-6));

  std::vector<float> small(5);
  CHECK(refusal([&] { vitq::normalize(image, {}, small); }) ==
        "a picture of 2 x 1 pixels fills 6 floats, but there is room for 5");
  CHECK(refusal([&] {
          vitq::normalize(image, {.std = {1.0F, 0.0F, 1.0F}}, chw);
        }).find("channel 1 is 0") != std::string::npos);
}

TEST_CASE("preprocess: is resize and crop and normalize") {
  const Image image = noise(50, 40, 3);
  const vitq::Preprocessing resized{.image_size = 16, .resize = 20};
  const vitq::Preprocessing cropped{.image_size = 16, .resize = 0};
  std::vector<float> expected(3 * 16 * 16);
  std::vector<float> found(expected.size());

  vitq::normalize(vitq::resize_and_crop(image, 20, 16), resized, expected);
  vitq::preprocess(image, resized, found);
  CHECK(found == expected);

  vitq::normalize(vitq::center_crop(image, 16), cropped, expected);
  vitq::preprocess(image, cropped, found);
  CHECK(found == expected);
}
