#pragma once
// What is wrong with calibration pictures as pictures: ranges that are fitted to such hold for no other.

#include <array>
#include <cstdint>
#include <span>
#include <vector>

namespace vitq {

struct PictureFaults {
  std::int64_t different = 0;       ///< pictures, where equal ones count once
  std::vector<std::int64_t> plain;  ///< numbers of those of one colour
};

/// images: [count, 3, size, size], normalised with `std`; count more than 0. A picture is of one colour where no
/// channel spans more than two of the 255 steps of a byte.
PictureFaults find_picture_faults(std::span<const float> images, std::int64_t count, const std::array<float, 3>& std);

}  // namespace vitq
