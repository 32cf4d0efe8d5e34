#pragma once
// Pictures in: a file or its bytes -> 8-bit RGB. libjpeg-turbo and stb_image do the decoding; what the file claims is
// checked before they are let loose, so that a damaged or hostile picture ends in an Error and never in a crash or a
// huge allocation.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace vitq {

/// A picture of [height, width, 3] bytes, rows from the top, pixels from the left, red green blue.
struct Image {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> rgb;
};

inline constexpr std::size_t kMaxImageFileBytes = std::size_t{512} << 20;
inline constexpr int kMaxImageSide = 1 << 16;
inline constexpr std::int64_t kMaxImagePixels = 100'000'000;

/// Decodes JPEG (baseline and progressive; grey, YCbCr, RGB, Adobe CMYK), PNG (all kinds), BMP (uncompressed) and
/// binary PGM/PPM, told apart by their first bytes. `name` stands for the picture in messages.
///
/// As Pillow's convert("RGB") does: grey becomes three equal channels, alpha is dropped (not blended), the EXIF
/// orientation is not applied, colour profiles are ignored. Sixteen-bit PNG keeps the upper byte (Pillow does so for
/// RGB, but clips 16-bit grey); PNM with another maximum than 255 is scaled. JPEG pixels are
/// Pillow's to the bit, but for four-channel ones, which stb_image decodes.
///
/// Throws Error for another format (named where it is a known one), for what a JPEG, PNG or BMP may be but vitq
/// cannot read, for pictures over the limits above, and for damage. A file that ends too early is always refused, a PNG
/// also when a checksum is wrong. Other damage inside the pixel data of a JPEG or BMP may pass unseen.
Image decode_image(std::span<const std::uint8_t> bytes, const std::string& name);

/// decode_image of a file. Throws Error if it is missing, a directory, not a regular file, not readable, empty, or of
/// more than kMaxImageFileBytes.
Image load_image(const std::filesystem::path& path);

}  // namespace vitq
