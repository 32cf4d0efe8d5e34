#pragma once
// Pixels that a caller hands over, checked and as RGB.

#include "vitq/image.h"

namespace vitq {

/// Throws Error (kArgument) unless there are pixels, 1 x 1 to kMaxImageSide and kMaxImagePixels of them, and rows do
/// not overlap.
void check_view(const ImageView& view);

/// The same picture with pixels of three bytes, dense. Throws as check_view.
Image to_rgb(const ImageView& view);

}  // namespace vitq
