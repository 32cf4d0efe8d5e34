#pragma once
// How operand_panels.h packs, compiled for AVX2. For operand_panels.cpp only.

#include <cstdint>

namespace vitq::operand_tiles {

/// A matrix [inner, columns] of elements that lie `row` and `column` elements apart.
template <class T>
struct Matrix {
  const T* data;
  std::int64_t inner, columns;
  std::int64_t row, column;
};

/// to: [panels, inner, 16 columns], as float_tiles.h multiplies them; zeros behind the columns.
void pack(const Matrix<float>& from, float* to);

/// to: [panels, pairs of inner, 16 columns, 2], as byte_tiles.h multiplies them; zeros behind the columns and, where
/// inner is odd, behind that.
void pack(const Matrix<std::int8_t>& from, std::int8_t* to);

}  // namespace vitq::operand_tiles
