#include "quant/picture_faults.h"

#include <algorithm>

#include "engine/error.h"

namespace vitq {

namespace {

bool is_plain(std::span<const float> image, const std::array<float, 3>& std) {
  constexpr float kSteps = 2.5F / 255.0F;
  const std::size_t plane = image.size() / std.size();
  for (std::size_t c = 0; c < std.size(); ++c) {
    const auto [least, most] = std::ranges::minmax(image.subspan(c * plane, plane));
    if (most - least > kSteps / std[c]) return false;
  }
  return true;
}

}  // namespace

PictureFaults find_picture_faults(std::span<const float> images, std::int64_t count, const std::array<float, 3>& std) {
  check(count > 0 && !images.empty() && images.size() % (std.size() * count) == 0, "calibration: ", count,
        " pictures of ", images.size(), " values in all");
  const std::size_t size = images.size() / count;
  PictureFaults faults;
  std::vector<std::span<const float>> different;
  for (std::int64_t i = 0; i < count; ++i) {
    const std::span<const float> image = images.subspan(i * size, size);
    const bool is_new =
        std::ranges::none_of(different, [&](const auto& other) { return std::ranges::equal(image, other); });
    if (is_new) different.push_back(image);
    if (is_plain(image, std)) faults.plain.push_back(i);
  }
  faults.different = std::ssize(different);
  return faults;
}

}  // namespace vitq
