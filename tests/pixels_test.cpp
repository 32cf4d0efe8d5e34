// Pixels that a caller hands over: every format and stride gives what dense RGB gives, and what cannot be is refused
// before it is read.

#include "engine/picture/pixels.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "engine/error.h"
#include "engine/picture/patches.h"
#include "engine/picture/resize.h"

using namespace vitq;

namespace {

constexpr PixelFormat kFormats[] = {PixelFormat::kRgb, PixelFormat::kRgba, PixelFormat::kBgr, PixelFormat::kBgra,
                                    PixelFormat::kGrey};

Image noise(int width, int height, bool is_grey) {
  std::mt19937 random(7);
  Image image{width, height, std::vector<std::uint8_t>(std::size_t{3} * width * height)};
  for (std::size_t i = 0; i < image.rgb.size(); ++i) {
    image.rgb[i] = is_grey && i % 3 != 0 ? image.rgb[i - 1] : static_cast<std::uint8_t>(random());
  }
  return image;
}

/// The same picture in another format, rows `padding` bytes longer than they must be; what lies between is 0xAB.
std::vector<std::uint8_t> bytes_in(const Image& image, PixelFormat format, std::ptrdiff_t padding) {
  std::vector<std::uint8_t> bytes;
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      const std::uint8_t* rgb = image.rgb.data() + 3 * (std::size_t{1} * y * image.width + x);
      const bool is_reversed = format == PixelFormat::kBgr || format == PixelFormat::kBgra;
      if (format == PixelFormat::kGrey) {
        bytes.push_back(rgb[0]);
        continue;
      }
      for (int c = 0; c < 3; ++c) bytes.push_back(rgb[is_reversed ? 2 - c : c]);
      if (bytes_per_pixel(format) == 4) bytes.push_back(0xAB);
    }
    if (y + 1 < image.height) bytes.insert(bytes.end(), padding, 0xAB);  // the last row may end where its pixels do
  }
  return bytes;
}

}  // namespace

TEST_CASE("pixels: resize, crop and patches of any format and stride are those of dense RGB") {
  for (const PixelFormat format : kFormats) {
    const Image image = noise(37, 29, format == PixelFormat::kGrey);
    for (const std::ptrdiff_t padding : {0, 1, 64}) {
      CAPTURE(static_cast<int>(format));
      CAPTURE(padding);
      const auto bytes = bytes_in(image, format, padding);
      const std::ptrdiff_t stride = padding == 0 ? 0 : std::ptrdiff_t{image.width} * bytes_per_pixel(format) + padding;
      const ImageView view(bytes.data(), image.width, image.height, format, stride);
      CHECK(center_crop(view, 24).rgb == center_crop(image, 24).rgb);
      CHECK(resize(view, 50, 20).rgb == resize(image, 50, 20).rgb);
      CHECK(resize_short_side(view, 24).rgb == resize_short_side(image, 24).rgb);
      CHECK(resize_and_crop(view, 27, 16).rgb == resize_and_crop(image, 27, 16).rgb);

      const ImageView part(bytes.data(), 36, 28, format,
                           std::ptrdiff_t{image.width} * bytes_per_pixel(format) + padding);
      const ImageView dense_part(image.rgb.data(), 36, 28, PixelFormat::kRgb, std::ptrdiff_t{3} * image.width);
      const PixelTable table({}, kFloat);
      std::vector<float> found(36 * 28 * 3);
      std::vector<float> expected(found.size());
      cut_patches(part, 4, table, Tensor(found.data(), {63, 48}));
      cut_patches(dense_part, 4, table, Tensor(expected.data(), {63, 48}));
      CHECK(found == expected);
    }
  }
}

TEST_CASE("pixels: what cannot be a picture is refused as an argument") {
  const std::vector<std::uint8_t> bytes(4 * 4 * 4);
  const auto refuses = [](const ImageView& view, const std::string& words) {
    try {
      check_view(view);
      FAIL("accepted, expected: " << words);
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::kArgument);
      CHECK(std::string(error.what()).find(words) != std::string::npos);
    }
  };
  CHECK_NOTHROW(check_view({bytes.data(), 4, 4, PixelFormat::kRgba}));
  CHECK_NOTHROW(check_view({bytes.data(), 4, 4, PixelFormat::kGrey, 16}));
  refuses({nullptr, 4, 4}, "no pixels");
  refuses({bytes.data(), 0, 4}, "0 x 4 pixels");
  refuses({bytes.data(), 4, -1}, "4 x -1 pixels");
  refuses({bytes.data(), std::numeric_limits<int>::max(), std::numeric_limits<int>::max()}, "expected sides");
  refuses({bytes.data(), kMaxImageSide, kMaxImageSide}, "at most 100000000 pixels");
  refuses({bytes.data(), 4, 4, PixelFormat::kRgb, 11}, "rows are 11 bytes apart, expected at least the 12");
  refuses({bytes.data(), 4, 4, PixelFormat::kRgba, 15}, "expected at least the 16");
  refuses({bytes.data(), 4, 4, PixelFormat::kRgb, -12}, "rows are -12 bytes apart");
  refuses({bytes.data(), 4, 4, PixelFormat::kRgb, std::numeric_limits<std::ptrdiff_t>::max() / 2}, "do not fit");
  refuses({bytes.data(), 4, 4, static_cast<PixelFormat>(5)}, "pixel format 5");
  refuses({}, "0 x 0 pixels");
}

TEST_CASE("pixels: an image whose bytes are not those of its sides is refused before it is read") {
  const auto refuses = [](const Image& image) {
    CHECK_THROWS_WITH_AS((void)center_crop(image, 1), doctest::Contains("3 bytes for each"), Error);
  };
  refuses({4, 4, std::vector<std::uint8_t>(47)});
  refuses({4, 4, {}});
  refuses({-4, -4, std::vector<std::uint8_t>(48)});
  refuses({1 << 16, 1 << 16, std::vector<std::uint8_t>(48)});
}
