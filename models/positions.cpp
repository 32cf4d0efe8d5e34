#include "models/positions.h"

#include "engine/error.h"
#include "engine/picture/filter_taps.h"

namespace vitq {

namespace {

// dst[l] += weight * src[l] over `count` floats.
void add(const float* src, float weight, std::int64_t count, float* dst) {
  for (std::int64_t i = 0; i < count; ++i) dst[i] += weight * src[i];
}

// [lines, from, width] -> [lines, to, width], both dense.
std::vector<float> resampled(std::span<const float> lines, std::int64_t from, std::int64_t to, std::int64_t width) {
  const std::int64_t count = std::ssize(lines) / (from * width);
  std::vector<float> result(count * to * width);
  std::vector<double> weights;
  for (std::int64_t i = 0; i < to; ++i) {
    const std::int64_t first = filter_taps(Interpolation::kBicubic, from, to, i, weights);
    for (std::int64_t line = 0; line < count; ++line) {
      for (std::int64_t t = 0; t < std::ssize(weights); ++t) {
        add(&lines[(line * from + first + t) * width], static_cast<float>(weights[t]), width,
            &result[(line * to + i) * width]);
      }
    }
  }
  return result;
}

}  // namespace

std::vector<float> resample_positions(std::span<const float> grid, std::int64_t from, std::int64_t to,
                                      std::int64_t dim) {
  check(std::ssize(grid) == from * from * dim && to > 0, "positions: ", grid.size(), " values for ", to,
        " patches a side, expected ", from, " x ", from, " x ", dim);
  const std::vector<float> across = resampled(grid, from, to, dim);
  return resampled(across, from, to, to * dim);
}

}  // namespace vitq
