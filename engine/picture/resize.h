#pragma once
// From a picture to what a model reads: Pillow's resize, torchvision's centre crop, mean and standard
// deviation. The 8-bit results equal theirs bit for bit, on every CPU: the arithmetic is in integers. Pictures come in
// any format and stride (check_view refuses what cannot be); only the pixels that are needed are read.

#include <span>

#include "vitq/image.h"
#include "vitq/preprocessing.h"

namespace vitq {

/// Pillow's Image.resize((width, height)) of a picture as RGB, with BICUBIC, a cubic convolution with a = -0.5, or
/// BILINEAR, a triangle, both widened by the scale when shrinking: first across and then down, with 22-bit weights and
/// an 8-bit picture in between.
/// Throws Error for a size below 1, or of more than kMaxImagePixels (also in between).
Image resize(const ImageView& image, int width, int height, Interpolation interpolation = Interpolation::kBicubic);

/// torchvision's Resize(size): the short side becomes `size`, the long one int(size * long / short).
Image resize_short_side(const ImageView& image, int size, Interpolation interpolation = Interpolation::kBicubic);

/// The pixels in the middle. The offset (side - size) / 2 is rounded half to even, as torchvision's
/// CenterCrop does, or down. Throws Error when the picture is smaller (torchvision would pad with black).
Image center_crop(const ImageView& image, PictureSize size, CropOffset rounding = CropOffset::kEven);

/// What a picture of `image` is resized to: ResizeMode::kSquash: `to`; kShortest: what covers it at the picture's own
/// ratio: where `to` is a square as resize_short_side; else both sides over min(height / to.height, width / to.width),
/// rounded half to even as timm's ResizeKeepRatio does. kBorder: the same over the larger of the two.
PictureSize resized_size(PictureSize image, PictureSize to, ResizeMode mode);

/// The centre crop of the picture resized to resized_size(), but only the pixels of the crop are computed: memory stays
/// small for any picture, even one of 20000 x 1. Throws Error when that is smaller than the crop.
Image resize_and_crop(const ImageView& image, PictureSize to, PictureSize size,
                      Interpolation interpolation = Interpolation::kBicubic, ResizeMode mode = ResizeMode::kShortest,
                      CropOffset rounding = CropOffset::kEven);

/// (byte / 255 - mean) / std for each channel, in float, as torchvision's ToTensor and Normalize.
/// `chw` is [3, image.height, image.width] and must have just that size.
void normalize(const Image& image, const Preprocessing& how, std::span<float> chw);

/// In bytes, whatever how.resize_rounding is: resize_and_crop as how.resize_mode and how.crop_offset say, or the crop
/// alone where how.resize is 0. What a border has to fill in is round(255 mean) of each channel, as in timm's
/// CenterCropOrPad.
Image resized(const ImageView& image, const Preprocessing& how);

/// Whether pixels that are resized are floats, of which resized() can show nothing.
bool makes_floats(const Preprocessing& how);

/// All of it: resized, normalised. Where how.resize_rounding is kNone the sums are in float and rounded nowhere, as
/// torchvision's resize(antialias = true) of a float picture between 0 and 1. `chw` is [3, height, width] of
/// how.image_size and must have just that size.
void preprocess(const ImageView& image, const Preprocessing& how, std::span<float> chw);

}  // namespace vitq
