#include "engine/picture/pixels.h"

#include <array>
#include <cstring>
#include <limits>

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
  check(view.stride <= std::numeric_limits<std::ptrdiff_t>::max() / view.height, "picture: ", view.height, " rows ",
        view.stride, " bytes apart do not fit in memory");
}

Pixels::Pixels(const ImageView& view) {
  check_view(view);
  data_ = view.data;
  width_ = view.width;
  height_ = view.height;
  stride_ = view.stride == 0 ? row_bytes(view) : view.stride;
  step_ = bytes_per_pixel(view.format);
  channel_ = channels_of(view.format);
}

void Pixels::copy(int x, int y, int count, std::uint8_t* rgb) const {
  const std::uint8_t* pixel = at(x, y);
  if (step_ == 3 && channel_[0] == 0) {
    std::memcpy(rgb, pixel, std::size_t{3} * count);
    return;
  }
  for (int i = 0; i < count; ++i, pixel += step_) {
    for (const int c : channel_) *rgb++ = pixel[c];
  }
}

ImageView::ImageView(const Image& image) : data(image.rgb.data()), width(image.width), height(image.height) {
  check(width > 0 && height > 0 && image.rgb.size() == std::size_t{3} * width * height, "a picture of ", width, " x ",
        height, " pixels must hold 3 bytes for each, but holds ", image.rgb.size());
}

}  // namespace vitq
