#pragma once
// What a picture file claims, checked without decoding it: a walk over the segments of a JPEG up to its first scan, the
// chunks of a PNG, the header of a BMP. A PNG or BMP that passes here is whole, of a kind that is read, and free of the
// malformations that stb_image 2.27 does not catch by itself (palettes and pixels beyond the end of the file).

#include <cstdint>
#include <span>
#include <string>

#include "vitq/preprocessing.h"

namespace vitq {

/// What a JPEG's header says, and the part of its sides, 1/reduction, at which it is to be decoded.
struct JpegFrame {
  PictureSize size;
  int reduction = 1;  ///< 1, 2, 4 or 8
};

/// A JPEG of more pixels cannot be had even reduced: it would take minutes.
inline constexpr std::int64_t kMostReducedPixels = 1'000'000'000;

/// 1/reduction of both sides, rounded up, as libjpeg does.
PictureSize reduced(PictureSize size, int reduction);

/// Each takes the whole file, whose first bytes are those of its format, and returns the size it declares: at least
/// 1 x 1, within kMaxImageSide and kMaxImagePixels, and not out of proportion to the length of the file.
/// Throws Error, beginning with `name`, for a file that is cut off, damaged, too large, or of an unsupported kind; a
/// JPEG is looked at up to its first scan only. One above kMaxImagePixels passes where 1/2, 1/4 or 1/8 of its sides are
/// within, and the short side is then still `least_side` long; with 0 none does.
JpegFrame check_jpeg(std::span<const std::uint8_t> bytes, int least_side, const std::string& name);
PictureSize check_png(std::span<const std::uint8_t> bytes, const std::string& name);
PictureSize check_bmp(std::span<const std::uint8_t> bytes, const std::string& name);

/// CRC-32, as PNG has it of each chunk's type and data.
std::uint32_t png_checksum(std::span<const std::uint8_t> bytes);

/// The formats that are read.
enum class PictureFormat : std::uint8_t { kUnknown, kJpeg, kPng, kBmp, kPnm };

/// Of a file that begins with `bytes` (eight are enough), whatever it is called.
PictureFormat format_of(std::span<const std::uint8_t> bytes);

/// Throws Error unless `size` is within the limits of image.h. `format` is the word for the message: "PNG".
void check_picture_size(PictureSize size, const char* format, const std::string& name);

}  // namespace vitq
