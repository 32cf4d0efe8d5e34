#pragma once
// What a model wants of a picture.

#include <array>
#include <cstdint>

namespace vitq {

/// Sides in pixels. A number by itself is a square: PictureSize(224).
struct PictureSize {
  std::int64_t height = 0;
  std::int64_t width = 0;

  constexpr PictureSize() = default;
  constexpr PictureSize(std::int64_t side) : height(side), width(side) {}  // NOLINT(google-explicit-constructor)
  constexpr PictureSize(std::int64_t rows, std::int64_t columns) : height(rows), width(columns) {}

  [[nodiscard]] constexpr std::int64_t pixels() const { return height * width; }
  [[nodiscard]] constexpr bool is_square() const { return height == width; }
  bool operator==(const PictureSize&) const = default;
};

/// How a picture is resized: as Pillow does it.
enum class Interpolation : std::uint8_t { kBicubic, kBilinear };

/// What becomes of the sides: the picture keeps its ratio and just covers the size that is asked for (where that is a
/// square, the short side has it), or it has that size whatever its ratio was (squash), or it keeps its ratio and fits
/// into the size, with a border of the mean colour around (border).
enum class ResizeMode : std::uint8_t { kShortest, kSquash, kBorder };

/// Where a centre crop begins that is half a pixel off: torchvision, and so timm, rounds to even; transformers down.
enum class CropOffset : std::uint8_t { kEven, kDown };

/// What is resized is rounded to bytes, between both passes and after, as Pillow does; or it stays in float, as in
/// transformers' processor of DINOv3.
enum class ResizeRounding : std::uint8_t { kBytes, kNone };

/// The defaults are DeiT's and Swin's.
struct Preprocessing {
  PictureSize image_size = 224;  ///< of the centre crop
  PictureSize resize = 248;      ///< before the crop (ResizeMode); 0: the picture is cropped as it is
  Interpolation interpolation = Interpolation::kBicubic;
  std::array<float, 3> mean{0.485F, 0.456F, 0.406F};  ///< of each channel, of pixels in [0, 1]: subtracted
  std::array<float, 3> std{0.229F, 0.224F, 0.225F};   ///< then divided by
  ResizeMode resize_mode = ResizeMode::kShortest;
  CropOffset crop_offset = CropOffset::kEven;
  ResizeRounding resize_rounding = ResizeRounding::kBytes;
};

}  // namespace vitq
