#pragma once
// Pictures in: a file, its bytes, or pixels that a caller already has.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "vitq/error.h"

namespace vitq {

/// A picture of [height, width, 3] bytes, rows from the top, pixels from the left, red green blue.
struct Image {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> rgb;
  int reduction = 1;  ///< of a decoded picture: it has 1/reduction of the sides that its file states
};

/// How the bytes of one pixel follow each other. Alpha is dropped, not blended; grey becomes three equal channels.
enum class PixelFormat : std::uint8_t { kRgb, kRgba, kBgr, kBgra, kGrey };

/// 3, 4, 3, 4, 1.
constexpr int bytes_per_pixel(PixelFormat format) {
  if (format == PixelFormat::kGrey) return 1;
  return format == PixelFormat::kRgba || format == PixelFormat::kBgra ? 4 : 3;
}

/// Pixels that somebody else owns, for the time of a call. Row y begins at data + y * stride.
struct ImageView {
  const std::uint8_t* data = nullptr;
  int width = 0;              ///< pixels
  int height = 0;             ///< pixels
  std::ptrdiff_t stride = 0;  ///< bytes from one row to the next, at least width * bytes_per_pixel; 0: just that
  PixelFormat format = PixelFormat::kRgb;

  ImageView() = default;
  ImageView(const std::uint8_t* pixels, int pixel_width, int pixel_height, PixelFormat pixel_format = PixelFormat::kRgb,
            std::ptrdiff_t row_stride = 0)
      : data(pixels), width(pixel_width), height(pixel_height), stride(row_stride), format(pixel_format) {}
  /// Throws Error (kArgument) where the image has not 3 bytes for each of its pixels.
  // NOLINTNEXTLINE(google-explicit-constructor): an image is such pixels
  [[gnu::visibility("default")]] ImageView(const Image& image);
};

inline constexpr std::size_t kMaxImageFileBytes = std::size_t{512} << 20;
inline constexpr int kMaxImageSide = 1 << 16;
inline constexpr std::int64_t kMaxImagePixels = 100'000'000;

struct DecodeOptions {
  /// Turn the picture as its EXIF orientation says, as Pillow's ImageOps.exif_transpose does: what people see is what
  /// the model sees. JPEG: segment Exif, else XMP. PNG: chunk eXIf, else the texts that ImageMagick and XMP use.
  /// False: rows and columns as they are stored.
  bool apply_orientation = true;
  /// Where more than 0: a JPEG of more than kMaxImagePixels (and at most 10^9) is decoded at 1/2, 1/4 or 1/8 of its
  /// sides, the largest of these within the limit, if its short side is then still so long. Image::reduction says so.
  /// All other pictures have all their pixels.
  int least_side = 0;
};

/// Decodes JPEG (baseline and progressive; grey, YCbCr, RGB, Adobe CMYK), PNG (all kinds), BMP (uncompressed) and
/// binary PGM/PPM, told apart by their first bytes. `name` stands for the picture in messages.
///
/// As Pillow's convert("RGB") does: grey becomes three equal channels, alpha is dropped (not blended), colour profiles
/// are ignored. Sixteen-bit PNG keeps the upper byte (Pillow does so for RGB, but clips 16-bit grey); PNM with another
/// maximum than 255 is scaled. JPEG pixels are Pillow's to the bit.
///
/// Throws Error (kFormat, kUnsupported) for another format (named where it is a known one), for what a JPEG, PNG or BMP
/// may be but vitq cannot read, for pictures over the limits above, and for damage. A PNG or BMP that ends too early is
/// always refused, a PNG also when a checksum is wrong. A JPEG is refused as cut off where rows of it are missing;
/// bytes behind it, or no end marker, do no harm. Other damage inside the pixel data of a JPEG or BMP may pass unseen.
/// An orientation that cannot be read is none.
[[gnu::visibility("default")]] Image decode_image(std::span<const std::uint8_t> bytes, const std::string& name,
                                                  const DecodeOptions& options = {});

/// decode_image of a file. Throws Error (kFile) if it is missing, a directory, not a regular file, not readable, empty,
/// or of more than kMaxImageFileBytes.
[[gnu::visibility("default")]] Image load_image(const std::filesystem::path& path, const DecodeOptions& options = {});

}  // namespace vitq
