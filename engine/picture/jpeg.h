#pragma once
// JPEG pictures through libjpeg-turbo, whose rounding is Pillow's and torchvision's: models are trained on its pixels.
// jpeg.cpp alone knows the library.

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "engine/picture/image_header.h"
#include "vitq/image.h"

namespace vitq {

/// bytes: a whole JPEG file that check_jpeg has let pass, with the size it gave. Nothing for pictures of four channels,
/// which libjpeg-turbo leaves to others. Damage that can be decoded over is, as in Pillow. Throws Error, beginning with
/// `name`, where the data do not decode.
std::optional<Image> decode_jpeg(std::span<const std::uint8_t> bytes, PictureSize size, const std::string& name);

}  // namespace vitq
