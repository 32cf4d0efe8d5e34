#pragma once
// Pixels that a caller hands over: checked at the door, and read as red, green and blue whatever their format.

#include <array>
#include <cstddef>
#include <cstdint>

#include "vitq/image.h"

namespace vitq {

/// Throws Error (kArgument) unless there are pixels, 1 x 1 to kMaxImageSide and kMaxImagePixels of them, and rows
/// neither overlap nor lie further apart than memory can be addressed.
void check_view(const ImageView& view);

/// A view that has been checked.
class Pixels {
 public:
  /// Throws as check_view.
  explicit Pixels(const ImageView& view);

  [[nodiscard]] int width() const { return width_; }
  [[nodiscard]] int height() const { return height_; }
  [[nodiscard]] const std::uint8_t* at(int x, int y) const { return data_ + y * stride_ + std::ptrdiff_t{x} * step_; }
  /// Bytes from one pixel to the next, and where red, green and blue stand in each.
  [[nodiscard]] int step() const { return step_; }
  [[nodiscard]] const std::array<int, 3>& channel() const { return channel_; }

  /// `count` pixels from (x, y) to the right, as RGB.
  void copy(int x, int y, int count, std::uint8_t* rgb) const;

 private:
  const std::uint8_t* data_;
  int width_, height_;
  std::ptrdiff_t stride_;
  int step_;
  std::array<int, 3> channel_;
};

}  // namespace vitq
