#pragma once
// Cutting a picture into patches, the first step of every Vision Transformer: a convolution whose stride is its kernel
// size is a matrix product over patches.

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/picture/resize.h"
#include "engine/tensor.h"
#include "vitq/image.h"

namespace vitq {

/// What a patch embedding takes instead of normalised values x of a channel: x * gain + shift.
struct PixelScale {
  std::array<float, 3> gain{1, 1, 1};
  std::array<float, 3> shift{0, 0, 0};

  [[nodiscard]] float at(std::int64_t channel, float x) const { return x * gain[channel] + shift[channel]; }
  bool operator==(const PixelScale&) const = default;
};

/// The scale at which what preprocess() makes of a byte is that byte again: on integers nothing is lost then.
PixelScale bytes_of(const Preprocessing& how);

/// Row i of dst is patch i of all pictures, row-major over the grid of each, its values in the order [channel, y, x] of
/// a convolution weight; pixels behind the last whole patch are not seen. images: [batch, channels, height, width];
/// dst: [batch (height / patch) (width / patch), channels patch^2], f32, or an encoding that quantize() writes; a scale
/// other than none is for three channels.
void cut_patches(std::span<const float> images, PictureSize size, std::int64_t patch, const Tensor& dst,
                 const PixelScale& scale = {});

/// What each of the 256 values of a byte becomes in the encoding of a patch embedding, for each channel: normalised as
/// preprocess() does, scaled, then encoded as quantize() does. With it the way from pixels to patch rows has no float
/// picture.
class PixelTable {
 public:
  /// means: kFloat or an encoding that quantize() writes. A code book must outlive the table.
  PixelTable(const Preprocessing& how, const Encoding& means, const PixelScale& scale = {});

  [[nodiscard]] const Encoding& encoding() const { return means_; }
  /// 256 entries of channel c.
  [[nodiscard]] const std::byte* entries(std::int64_t c) const;

 private:
  Encoding means_;
  std::vector<std::byte> entries_;  // [3, 256]
};

/// The same rows from the bytes of one picture, of any format; pixels behind the last whole patch are not seen. dst:
/// [patches, 3 patch^2] in the encoding of the table, rows dense.
void cut_patches(const ImageView& image, std::int64_t patch, const PixelTable& table, const Tensor& dst);

}  // namespace vitq
