#pragma once
// From integer sums to values and from values to codes, sixteen at a time: what requantization and the split and merge
// of heads have in common.

#include "engine/kernels/simd.h"

namespace vitq::rows {
namespace {

template <class Lanes>
[[gnu::always_inline]] inline void store_codes(simd::Floats x, const Codes& how, void* to, Lanes lanes) {
  x = simd::fma(x, how.inverse, simd::splat(how.zero_point));
  simd::store_bytes(simd::round(simd::clamp(how.least, how.most, x)), to, lanes);
}

/// The values of sums: sum * multiplier + offset.
template <class Lanes>
[[gnu::always_inline]] inline simd::Floats values_of(const std::int32_t* sums, const float* multiplier,
                                                     const float* offset, Lanes lanes) {
  return simd::fma(simd::converted(simd::load(sums, lanes)), simd::load(multiplier, lanes), simd::load(offset, lanes));
}

/// The codes of a row of sums.
template <Epilogue kEpilogue>
[[gnu::always_inline]] inline void row_to_codes(const std::int32_t* sums, const float* multiplier, const float* offset,
                                                std::int64_t columns, const Codes& codes, std::uint8_t* dst) {
  simd::for_vectors(columns, [&](std::int64_t c, auto lanes) {
    simd::Floats x = values_of(sums + c, multiplier + c, offset + c, lanes);
    if constexpr (kEpilogue == Epilogue::kGelu) x = simd::rough_gelu(codes.gelu_end, x);
    if constexpr (kEpilogue == Epilogue::kQuickGelu) x = simd::quick_gelu(x);
    if constexpr (kEpilogue == Epilogue::kTanhGelu) x = simd::rough_tanh_gelu(codes.gelu_end, x);
    if constexpr (kEpilogue == Epilogue::kSilu) x = simd::silu(x);
    store_codes(x, codes, dst + c, lanes);
  });
}

}  // namespace
}  // namespace vitq::rows
