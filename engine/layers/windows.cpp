#include "engine/layers/windows.h"

#include "engine/kernels/softmax.h"

namespace vitq {

std::vector<std::int32_t> window_order(std::int64_t grid, std::int64_t window, std::int64_t shift) {
  std::vector<std::int32_t> order;
  order.reserve(grid * grid);
  const std::int64_t across = grid / window;
  for (std::int64_t w = 0; w < across * across; ++w) {
    for (std::int64_t t = 0; t < window * window; ++t) {
      const std::int64_t y = (w / across * window + t / window + shift) % grid;
      const std::int64_t x = (w % across * window + t % window + shift) % grid;
      order.push_back(static_cast<std::int32_t>(y * grid + x));
    }
  }
  return order;
}

std::vector<float> shift_mask(std::int64_t grid, std::int64_t window, std::int64_t shift) {
  constexpr float kForbidden = -100.0F;  // the official value; exp(-100) is nothing beside any allowed score
  const auto band = [&](std::int64_t at) { return at < grid - window ? 0 : at < grid - shift ? 1 : 2; };
  const std::int64_t across = grid / window;
  const std::int64_t area = window * window;
  const std::int64_t stride = padded_columns(area);
  std::vector<float> mask(across * across * area * stride, 0.0F);
  for (std::int64_t w = 0; w < across * across; ++w) {
    const auto region = [&](std::int64_t t) {
      return 3 * band(w / across * window + t / window) + band(w % across * window + t % window);
    };
    for (std::int64_t i = 0; i < area; ++i) {
      for (std::int64_t j = 0; j < area; ++j) {
        if (region(i) != region(j)) mask[(w * area + i) * stride + j] = kForbidden;
      }
    }
  }
  return mask;
}

std::vector<float> relative_bias(std::span<const float> table, std::int64_t window, std::int64_t heads) {
  const std::int64_t area = window * window;
  const std::int64_t stride = padded_columns(area);
  std::vector<float> bias(heads * area * stride, 0.0F);
  for (std::int64_t i = 0; i < area; ++i) {
    for (std::int64_t j = 0; j < area; ++j) {
      const std::int64_t row =
          (i / window - j / window + window - 1) * (2 * window - 1) + (i % window - j % window + window - 1);
      for (std::int64_t h = 0; h < heads; ++h) bias[(h * area + i) * stride + j] = table[row * heads + h];
    }
  }
  return bias;
}

}  // namespace vitq
