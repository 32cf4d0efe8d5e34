#include "models/patches.h"

#include <algorithm>

#include "engine/error.h"
#include "engine/requantize.h"
#include "engine/threads.h"

namespace vitq {

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
      const Tensor from(const_cast<float*>(&images[row * size]), {grid, patch});  // only read
      const Tensor to(static_cast<std::byte*>(dst.data) + at * bytes, {grid, patch}, {stride, 1}, dst.encoding);
      if (dst.encoding == kFloat) {
        for (std::int64_t x = 0; x < grid; ++x) std::copy_n(from.row(x), patch, to.row(x));
      } else {
        quantize(from, to);
      }
    }
  });
}

}  // namespace vitq
