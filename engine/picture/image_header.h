#pragma once
// What a picture file claims, checked without decoding it: a walk over the segments of a JPEG, the chunks of a PNG, the
// header of a BMP. What passes here is whole, of a kind that the decoders read, and free of the malformations that
// stb_image 2.27 does not catch by itself (Huffman tables of more than 256 codes, palettes and pixels beyond the end of
// the file).

#include <cstdint>
#include <span>
#include <string>

namespace vitq {

/// In pixels.
struct PictureSize {
  std::int64_t width = 0;
  std::int64_t height = 0;
};

/// Each takes the whole file, whose first bytes are those of its format, and returns the size it declares: at least
/// 1 x 1, within kMaxImageSide and kMaxImagePixels, and not out of proportion to the length of the file.
/// Throws Error, beginning with `name`, for a file that is cut off, damaged, too large, or of an unsupported kind.
PictureSize check_jpeg(std::span<const std::uint8_t> bytes, const std::string& name);
PictureSize check_png(std::span<const std::uint8_t> bytes, const std::string& name);
PictureSize check_bmp(std::span<const std::uint8_t> bytes, const std::string& name);

/// Throws Error unless `size` is within the limits of image.h. `format` is the word for the message: "PNG".
void check_picture_size(PictureSize size, const char* format, const std::string& name);

}  // namespace vitq
