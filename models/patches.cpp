#include "models/patches.h"

#include <algorithm>

#include "engine/error.h"
#include "engine/threads.h"

namespace vitq {

void cut_patches(std::span<const float> image, std::int64_t size, std::int64_t patch, const Tensor& dst) {
  const std::int64_t grid = size / patch;
  const std::int64_t channels = std::ssize(image) / (size * size);
  check(std::ssize(image) == channels * size * size && dst.rows() == grid * grid &&
            dst.columns() == channels * patch * patch,
        "cut_patches: ", image.size(), " values do not make [", dst.rows(), ", ", dst.columns(), "]");
  parallel_for(grid * grid, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const float* corner = image.data() + (i / grid * size + i % grid) * patch;
      float* row = dst.row(i);
      for (std::int64_t c = 0; c < channels; ++c) {
        for (std::int64_t y = 0; y < patch; ++y) row = std::copy_n(corner + (c * size + y) * size, patch, row);
      }
    }
  });
}

}  // namespace vitq
