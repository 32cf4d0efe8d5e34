#pragma once
// What a model wants of a picture.

#include <array>
#include <cstdint>

namespace vitq {

/// How a picture is resized: as Pillow does it.
enum class Interpolation : std::uint8_t { kBicubic, kBilinear };

/// What becomes of the sides: the short one has the size that is asked for and the other keeps the ratio, or both have
/// it (squash).
enum class ResizeMode : std::uint8_t { kShortest, kSquash };

/// Where a centre crop begins that is half a pixel off: torchvision, and so timm, rounds to even; transformers down.
enum class CropOffset : std::uint8_t { kEven, kDown };

/// The defaults are DeiT's and Swin's.
struct Preprocessing {
  int image_size = 224;  ///< side of the centre crop, pixels
  int resize = 248;      ///< the side before the crop (ResizeMode); 0: the picture is cropped as it is
  Interpolation interpolation = Interpolation::kBicubic;
  std::array<float, 3> mean{0.485F, 0.456F, 0.406F};  ///< of each channel, of pixels in [0, 1]: subtracted
  std::array<float, 3> std{0.229F, 0.224F, 0.225F};   ///< then divided by
  ResizeMode resize_mode = ResizeMode::kShortest;
  CropOffset crop_offset = CropOffset::kEven;
};

}  // namespace vitq
