#include "models/patches.h"

#include <algorithm>

#include "engine/error.h"
#include "engine/kernels/requantize.h"
#include "engine/threads.h"

namespace vitq {

namespace {

// Pieces of a row of pixels, in the encoding of dst. src: [rows columns of dst].
void write_pieces(const float* src, const Tensor& dst) {
  constexpr std::int64_t kVector = 16;
  constexpr std::int64_t kStrip = 512;
  const std::int64_t columns = dst.columns();
  const std::int64_t stride = dst.strides[0];
  if (dst.encoding == kFloat) {
    for (std::int64_t i = 0; i < dst.rows(); ++i) std::copy_n(src + i * columns, columns, dst.row(i));
    return;
  }
  auto* pixels = const_cast<float*>(src);  // only read
  if (columns >= kVector) {
    quantize(Tensor(pixels, {dst.rows(), columns}), dst);
    return;
  }
  // Swin's pieces of four are less than a vector: encoded side by side, then taken apart.
  const auto bytes = static_cast<std::int64_t>(size_of(dst.encoding.dtype));
  const std::int64_t most = kStrip / columns;
  std::uint16_t strip[kStrip];
  for (std::int64_t first = 0; first < dst.rows(); first += most) {
    const std::int64_t count = std::min(most, dst.rows() - first) * columns;
    quantize(Tensor(pixels + first * columns, {1, count}), Tensor(strip, {1, count}, dst.encoding));
    const auto* from = reinterpret_cast<const std::byte*>(strip);
    std::byte* to = static_cast<std::byte*>(dst.data) + first * stride * bytes;
    for (std::int64_t c = 0; c < count; c += columns, to += stride * bytes) {
      std::copy_n(from + c * bytes, columns * bytes, to);
    }
  }
}

}  // namespace

void cut_patches(std::span<const float> images, std::int64_t size, std::int64_t patch, const Tensor& dst) {
  const std::int64_t grid = size / patch;
  const std::int64_t batch = dst.rows() / (grid * grid);
  const std::int64_t channels = dst.columns() / (patch * patch);
  check(std::ssize(images) == batch * channels * size * size && dst.rows() == batch * grid * grid &&
            dst.columns() == channels * patch * patch,
        "cut_patches: ", images.size(), " values do not make [", dst.rows(), ", ", dst.columns(), "]");
  const std::int64_t stride = dst.strides[0];
  const auto bytes = static_cast<std::int64_t>(size_of(dst.encoding.dtype));
  // A row of pixels at a time, a piece of it in each of `grid` patches.
  parallel_for(batch * grid, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin * channels * patch; i < end * channels * patch; ++i) {
      const std::int64_t first = i / (channels * patch);  // row of patches, of all pictures
      const std::int64_t c = i / patch % channels;
      const std::int64_t y = i % patch;
      const std::int64_t row = (first / grid * channels + c) * size + first % grid * patch + y;
      const std::int64_t at = first * grid * stride + (c * patch + y) * patch;
      std::byte* to = static_cast<std::byte*>(dst.data) + at * bytes;
      write_pieces(&images[row * size], Tensor(to, {grid, patch}, {stride, 1}, dst.encoding));
    }
  });
}

}  // namespace vitq
