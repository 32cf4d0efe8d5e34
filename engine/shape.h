#pragma once
// The extents of a tensor, outermost first, row-major. Every room speaks of shapes in these words, so that an error
// message and a file agree on how `[1152, 384]` is written.

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "engine/error.h"

namespace vitq {

using Shape = std::vector<std::int64_t>;

/// "[1152, 384]"; a scalar is "[]".
inline std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text += ", ";
    text += std::to_string(shape[i]);
  }
  return text + "]";
}

/// The product of all extents; 1 for a scalar. Throws on a negative extent and where the product, taken from the left,
/// does not fit in 64 bits: shapes come from files, and a product that wraps would pass every later check.
inline std::int64_t element_count(const Shape& shape) {
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) {
    check(extent >= 0, "shape ", to_string(shape), ": an extent is negative");
    check(extent == 0 || count <= std::numeric_limits<std::int64_t>::max() / extent, "shape ", to_string(shape),
          ": the number of elements does not fit in 64 bits");
    count *= extent;
  }
  return count;
}

}  // namespace vitq
