#include "engine/gemm/operand_tiles.h"

#include <immintrin.h>

#include <cstring>

#include "engine/gemm/byte_tiles.h"
#include "engine/gemm/float_tiles.h"

namespace vitq::operand_tiles {

namespace {

static_assert(byte_tiles::kOutputs == float_tiles::kOutputs);
constexpr std::int64_t kColumns = float_tiles::kOutputs;  // of a panel
constexpr std::int64_t kSide = 8;                         // of a square of 32-bit elements: a register either way

// Rows of a panel whose elements of one column lie side by side.
template <class T>
constexpr std::int64_t kStep = sizeof(T) == 1 ? 2 : 1;

// Elements of a register.
template <class T>
constexpr std::int64_t kVector = static_cast<std::int64_t>(sizeof(__m256i) / sizeof(T));

__m256i load(const void* from) { return _mm256_loadu_si256(static_cast<const __m256i*>(from)); }
void store(void* to, __m256i value) { _mm256_storeu_si256(static_cast<__m256i*>(to), value); }
__m128i load_half(const void* from) { return _mm_loadu_si128(static_cast<const __m128i*>(from)); }
void store_half(void* to, __m128i value) { _mm_storeu_si128(static_cast<__m128i*>(to), value); }

// Eight columns of 32-bit elements, `apart` bytes from each other, as eight rows.
void transpose(const void* from, std::int64_t apart, __m256i (&to)[kSide]) {
  const auto* bytes = static_cast<const char*>(from);
  __m256 columns[kSide];
#pragma GCC unroll 8
  for (int i = 0; i < kSide; ++i) columns[i] = _mm256_castsi256_ps(load(bytes + i * apart));
  __m256 pairs[kSide];
#pragma GCC unroll 4
  for (int i = 0; i < kSide; i += 2) {
    pairs[i] = _mm256_unpacklo_ps(columns[i], columns[i + 1]);
    pairs[i + 1] = _mm256_unpackhi_ps(columns[i], columns[i + 1]);
  }
  __m256 quads[kSide];
#pragma GCC unroll 2
  for (int i = 0; i < kSide; i += 4) {
    quads[i] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], 0x44);
    quads[i + 1] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], 0xEE);
    quads[i + 2] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], 0x44);
    quads[i + 3] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], 0xEE);
  }
#pragma GCC unroll 4
  for (int i = 0; i < kSide / 2; ++i) {
    to[i] = _mm256_castps_si256(_mm256_permute2f128_ps(quads[i], quads[i + kSide / 2], 0x20));
    to[i + kSide / 2] = _mm256_castps_si256(_mm256_permute2f128_ps(quads[i], quads[i + kSide / 2], 0x31));
  }
}

// A register of each of eight columns that lie along the rows.
void pack_square(const float* from, std::int64_t column, float* to) {
  __m256i rows[kSide];
  transpose(from, column * static_cast<std::int64_t>(sizeof(float)), rows);
#pragma GCC unroll 8
  for (int i = 0; i < kSide; ++i) store(to + i * kColumns, rows[i]);
}

void pack_square(const std::int8_t* from, std::int64_t column, std::int8_t* to) {
  // Within each half: the first pairs of four columns, then the second ones.
  const __m256i apart = _mm256_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15,  //
                                         0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
  __m256i quads[kSide];  // of rows
  transpose(from, column, quads);
#pragma GCC unroll 8
  for (int i = 0; i < kSide; ++i) {
    const __m256i pairs = _mm256_permute4x64_epi64(_mm256_shuffle_epi8(quads[i], apart), 0xD8);
    std::int8_t* row = to + i * 4 * kColumns;
    store_half(row, _mm256_castsi256_si128(pairs));
    store_half(row + 2 * kColumns, _mm256_extracti128_si256(pairs, 1));
  }
}

// kStep rows of sixteen columns, whose elements lie side by side.
void pack_rows(const float* from, std::int64_t /*row*/, float* to) {
  store(to, load(from));
  store(to + kSide, load(from + kSide));
}

void pack_rows(const std::int8_t* from, std::int64_t row, std::int8_t* to) {
  const __m128i first = load_half(from);
  const __m128i second = load_half(from + row);
  store_half(to, _mm_unpacklo_epi8(first, second));
  store_half(to + kColumns, _mm_unpackhi_epi8(first, second));
}

// What is left: columns [first_column, columns) of rows [first, last).
template <class T>
void pack_rest(const Matrix<T>& from, std::int64_t first, std::int64_t last, std::int64_t first_column, T* to) {
  for (std::int64_t i = first; i < last; ++i) {
    T* row = to + i / kStep<T> * kStep<T> * kColumns + i % kStep<T>;
    for (std::int64_t c = first_column; c < from.columns; ++c) {
      row[c * kStep<T>] = from.data[i * from.row + c * from.column];
    }
  }
}

// from: at most sixteen columns.
template <class T>
void pack_panel(const Matrix<T>& from, T* to) {
  std::int64_t rows = 0;  // packed so far, of all columns up to `columns`
  std::int64_t columns = from.columns;
  if (from.column == 1 && from.columns == kColumns) {
    rows = from.inner / kStep<T> * kStep<T>;
    for (std::int64_t i = 0; i < rows; i += kStep<T>) pack_rows(from.data + i * from.row, from.row, to + i * kColumns);
  } else if (from.row == 1) {
    rows = from.inner / kVector<T> * kVector<T>;
    columns = from.columns / kSide * kSide;
    for (std::int64_t c = 0; c < columns; c += kSide) {
      for (std::int64_t i = 0; i < rows; i += kVector<T>) {
        pack_square(from.data + c * from.column + i, from.column, to + i * kColumns + c * kStep<T>);
      }
    }
  }
  pack_rest(from, 0, rows, columns, to);
  pack_rest(from, rows, from.inner, 0, to);
}

template <class T>
void pack_panels(const Matrix<T>& from, T* to) {
  const std::int64_t padded = (from.inner + kStep<T> - 1) / kStep<T> * kStep<T>;
  for (std::int64_t c = 0; c < from.columns; c += kColumns, to += padded * kColumns) {
    Matrix<T> panel = from;
    panel.data += c * from.column;
    panel.columns = from.columns - c < kColumns ? from.columns - c : kColumns;
    const bool is_full = panel.columns == kColumns && padded == from.inner;
    if (!is_full) std::memset(to, 0, static_cast<std::size_t>(padded * kColumns) * sizeof(T));
    pack_panel(panel, to);
  }
}

}  // namespace

void pack(const Matrix<float>& from, float* to) { pack_panels(from, to); }

void pack(const Matrix<std::int8_t>& from, std::int8_t* to) { pack_panels(from, to); }

}  // namespace vitq::operand_tiles
