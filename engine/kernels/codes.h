#pragma once
// From integer sums to values and from values to codes, sixteen at a time: what requantization and the split and merge
// of heads have in common. Only their row kernels include this file.

#include <cstdint>
#include <cstring>

#include "engine/error.h"
#include "engine/kernels/requantize.h"
#include "engine/kernels/simd.h"
#include "engine/tensor.h"

namespace vitq {

/// How values become codes.
struct Codes {
  float inverse, zero_point, least, most, gelu_end;
};

/// Throws Error where `encoding` has no codes.
inline Codes codes_of(const Encoding& encoding) {
  check(encoding.scale > 0.0F && encoding.bits >= 2 && encoding.bits <= 8, "requantize: scale ", encoding.scale,
        " with ", encoding.bits, " bits; expected a positive scale and 2 to 8 bits");
  check(encoding.code_book == nullptr || (encoding.dtype == DType::kU8 && encoding.bits == 8), "requantize: found ",
        encoding, "; expected u8 of 8 bits with one");
  return {.inverse = 1.0F / encoding.scale,
          .zero_point = static_cast<float>(encoding.zero_point),
          .least = static_cast<float>(encoding.least_code()),
          .most = static_cast<float>(encoding.most_code()),
          .gelu_end = simd::kRoughGeluEnd};
}

/// Throws Error, in the name of `who`, where there is not a multiplier and an offset for each column of s32 sums.
inline void check_values(const Tensor& sums, const PerColumn& values, const char* who) {
  check(sums.encoding.dtype == DType::kS32 && sums.rank == 2 && sums.strides[1] == 1, who,
        ": expected an s32 matrix of sums, found ", name_of(sums.encoding.dtype), " of rank ", sums.rank);
  check(std::ssize(values.multiplier) == sums.columns() && std::ssize(values.offset) == sums.columns(), who, ": ",
        values.multiplier.size(), " multipliers and ", values.offset.size(), " offsets for ", sums.columns(),
        " columns");
}

/// The codes of sixteen values.
[[gnu::always_inline]] inline void store_codes(const simd::Floats& value, const Codes& how, void* to) {
  simd::Floats x = value * how.inverse + how.zero_point;
  simd::clamp(how.least, how.most, x);
  simd::Ints code;
  simd::round(x, code);
  simd::store_bytes(code, to);
}

/// The last columns of a row, fewer than a vector: copied to where a whole vector can be read.
template <class T>
struct Tail {
  T lanes[simd::kLanes]{};
  [[gnu::always_inline]] Tail(const T* from, std::int64_t count) { std::memcpy(lanes, from, count * sizeof(T)); }
};

/// The values of sixteen sums.
[[gnu::always_inline]] inline void value_of(const std::int32_t* sums, const float* multiplier, const float* offset,
                                            simd::Floats& x) {
  simd::Floats term;
  simd::load_converted(sums, x);
  simd::load(multiplier, term);
  x *= term;
  simd::load(offset, term);
  x += term;
}

/// The codes of a row of sums.
template <Epilogue kEpilogue>
[[gnu::always_inline]] inline void row_to_codes(const std::int32_t* sums, const float* multiplier, const float* offset,
                                                std::int64_t columns, const Codes& codes, std::uint8_t* dst) {
  simd::Floats x;
  std::int64_t c = 0;
  for (; c + simd::kLanes <= columns; c += simd::kLanes) {
    value_of(sums + c, multiplier + c, offset + c, x);
    if constexpr (kEpilogue == Epilogue::kGelu) simd::rough_gelu(codes.gelu_end, x);
    store_codes(x, codes, dst + c);
  }
  const std::int64_t rest = columns - c;
  if (rest == 0) return;
  value_of(Tail(sums + c, rest).lanes, Tail(multiplier + c, rest).lanes, Tail(offset + c, rest).lanes, x);
  if constexpr (kEpilogue == Epilogue::kGelu) simd::rough_gelu(codes.gelu_end, x);
  std::uint8_t bytes[simd::kLanes];
  store_codes(x, codes, bytes);
  std::memcpy(dst + c, bytes, rest);
}

}  // namespace vitq
