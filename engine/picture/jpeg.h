#pragma once
// JPEG pictures through libjpeg-turbo, whose rounding is Pillow's and torchvision's: models are trained on its pixels.
// jpeg.cpp alone knows the library.

#include <cstdint>
#include <span>
#include <string>

#include "engine/picture/image_header.h"
#include "engine/picture/orientation.h"
#include "vitq/image.h"

namespace vitq {

struct DecodedJpeg {
  Image image;               ///< at 1/frame.reduction of its size, as it is stored
  PictureMetadata metadata;  ///< of the segments APP1 before the first scan
};

/// bytes: a whole JPEG file that check_jpeg has let pass, with the frame it gave. Grey, YCbCr, RGB, and CMYK or YCCK as
/// Adobe writes them, inverted, which become RGB as in Pillow. What lies behind the last row is not looked at, nor is
/// an end marker missed. Damage that can be decoded over is, as in Pillow; not so data that end whole rows of blocks
/// too early, or, in a file without an end marker, before the last scan does. Throws Error, beginning with `name`, for
/// these and where the data do not decode.
DecodedJpeg decode_jpeg(std::span<const std::uint8_t> bytes, const JpegFrame& frame, const std::string& name);

}  // namespace vitq
