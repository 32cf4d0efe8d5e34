#include "engine/picture/pixels.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "engine/error.h"

namespace vitq {

namespace {

std::ptrdiff_t row_bytes(const ImageView& view) {
  return static_cast<std::ptrdiff_t>(view.width) * bytes_per_pixel(view.format);
}

// Where red, green and blue stand in a pixel.
std::array<int, 3> channels_of(PixelFormat format) {
  switch (format) {
    case PixelFormat::kBgr:
    case PixelFormat::kBgra:
      return {2, 1, 0};
    case PixelFormat::kGrey:
      return {0, 0, 0};
    default:
      return {0, 1, 2};
  }
}

}  // namespace

void check_view(const ImageView& view) {
  check(view.format <= PixelFormat::kGrey, "picture: pixel format ", static_cast<int>(view.format), ", expected 0 to ",
        static_cast<int>(PixelFormat::kGrey));
  check(view.width > 0 && view.height > 0 && view.width <= kMaxImageSide && view.height <= kMaxImageSide &&
            std::int64_t{view.width} * view.height <= kMaxImagePixels,
        "picture: ", view.width, " x ", view.height, " pixels, expected sides from 1 to ", kMaxImageSide,
        " and at most ", kMaxImagePixels, " pixels");
  check(view.data != nullptr, "picture: no pixels, expected ", view.width, " x ", view.height);
  check(view.stride == 0 || view.stride >= row_bytes(view), "picture: rows are ", view.stride,
        " bytes apart, expected at least the ", row_bytes(view), " of a row, or 0");
}

Image to_rgb(const ImageView& view) {
  check_view(view);
  const std::ptrdiff_t stride = view.stride == 0 ? row_bytes(view) : view.stride;
  const std::ptrdiff_t row = std::ptrdiff_t{3} * view.width;
  Image image{view.width, view.height, std::vector<std::uint8_t>(static_cast<std::size_t>(row * view.height))};
  const int step = bytes_per_pixel(view.format);
  const std::array<int, 3> channel = channels_of(view.format);
  for (int y = 0; y < view.height; ++y) {
    const std::uint8_t* from = view.data + y * stride;
    std::uint8_t* to = image.rgb.data() + y * row;
    if (view.format == PixelFormat::kRgb) {
      std::memcpy(to, from, static_cast<std::size_t>(row));
      continue;
    }
    for (int x = 0; x < view.width; ++x, from += step) {
      for (const int c : channel) *to++ = from[c];
    }
  }
  return image;
}

}  // namespace vitq
