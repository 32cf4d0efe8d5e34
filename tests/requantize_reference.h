#pragma once
// The definition of requantization, in scalar float; the rounding to codes is the C library's.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "engine/kernels/code_book.h"
#include "engine/kernels/requantize.h"
#include "tests/random.h"

namespace vitq::test {

constexpr Encoding kSums{.dtype = DType::kS32};

inline int code_of(float value, const Encoding& encoding) {
  float x = std::fma(value, 1.0F / encoding.scale, static_cast<float>(encoding.zero_point));
  x = std::clamp(x, static_cast<float>(encoding.least_code()), static_cast<float>(encoding.most_code()));
  return static_cast<int>(std::nearbyint(x));
}

struct Values {
  std::vector<float> multiplier, offset;
  explicit Values(std::int64_t columns)
      : multiplier(random_floats(columns, 11, 1e-5F, 1e-4F)), offset(random_floats(columns, 12)) {}
  [[nodiscard]] PerColumn view() const { return {multiplier, offset}; }
  [[nodiscard]] float at(std::int32_t sum, std::int64_t c) const {
    return std::fma(static_cast<float>(sum), multiplier[c], offset[c]);
  }
};

/// Rows of codes, `gap` bytes apart, as `emit` writes them without a code book and with one: a different book entry for
/// each code must be the only difference, and the gaps stay as they were.
template <class Emit>
void check_code_book(std::int64_t rows, std::int64_t columns, const Encoding& to, Emit&& emit) {
  CodeBook book{};
  for (int i = 0; i < 256; ++i) book[i] = static_cast<std::uint8_t>(i * 91 + 17);  // 91 is odd: a permutation
  Encoding with_book = to;
  with_book.code_book = book.data();
  for (const std::int64_t gap : {0, 5}) {
    constexpr std::uint8_t kUntouched = 77;
    std::vector<std::uint8_t> plain(rows * (columns + gap), kUntouched);
    std::vector<std::uint8_t> looked_up = plain;
    emit(Tensor(plain.data(), {rows, columns}, {columns + gap, 1}, to));
    emit(Tensor(looked_up.data(), {rows, columns}, {columns + gap, 1}, with_book));
    std::int64_t wrong = 0;
    for (std::int64_t i = 0; i < std::ssize(plain); ++i) {
      const bool is_gap = i % (columns + gap) >= columns;
      wrong += looked_up[i] != (is_gap ? kUntouched : book[plain[i]]);
    }
    CHECK(wrong == 0);
  }
}

}  // namespace vitq::test
