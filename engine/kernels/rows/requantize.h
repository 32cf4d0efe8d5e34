#pragma once
// engine/kernels/requantize.h, row by row.

#include "engine/kernels/rows/codes.h"

namespace vitq::rows {
namespace {

template <Epilogue kEpilogue>
[[gnu::always_inline]] inline simd::Floats finished(simd::Floats x) {
  if constexpr (kEpilogue == Epilogue::kGelu) x = simd::gelu(x);
  if constexpr (kEpilogue == Epilogue::kQuickGelu) x = simd::quick_gelu(x);
  if constexpr (kEpilogue == Epilogue::kTanhGelu) x = simd::tanh_gelu(x);
  if constexpr (kEpilogue == Epilogue::kSilu) x = simd::silu(x);
  return x;
}

template <Epilogue kEpilogue>
[[gnu::always_inline]] inline void row_to_floats(const std::int32_t* sums, const Requantize& all, float* dst) {
  const float* multiplier = all.multiplier;  // not read anew after every store, which might be to `all`
  const float* offset = all.offset;
  simd::for_vectors(all.columns, [&](std::int64_t c, auto lanes) {
    simd::Floats x = values_of(sums + c, multiplier + c, offset + c, lanes);
    x = finished<kEpilogue>(x);
    if constexpr (kEpilogue == Epilogue::kAccumulate) x += simd::load(dst + c, lanes);
    simd::store(x, dst + c, lanes);
  });
}

// The same with a scale of the row: (sum * multiplier + offset) * scale + bias.
template <Epilogue kEpilogue>
[[gnu::always_inline]] inline void scaled_row_to_floats(const std::int32_t* sums, const Requantize& all, float scale,
                                                        float* dst) {
  const float* multiplier = all.multiplier;
  const float* offset = all.offset;
  const float* bias = all.bias;
  simd::for_vectors(all.columns, [&](std::int64_t c, auto lanes) {
    simd::Floats x = values_of(sums + c, multiplier + c, offset + c, lanes);
    x = finished<kEpilogue>(simd::fma(x, simd::splat(scale), simd::load(bias + c, lanes)));
    if constexpr (kEpilogue == Epilogue::kAccumulate) x += simd::load(dst + c, lanes);
    simd::store(x, dst + c, lanes);
  });
}

void scaled_sums_to_floats(const Requantize& all, std::int64_t begin, std::int64_t end) {
  for (std::int64_t i = begin; i < end; ++i) {
    const std::int32_t* sums = all.sums + i * all.sums_stride;
    float* dst = static_cast<float*>(all.dst) + i * all.dst_stride;
    const auto row = [&]<Epilogue kEpilogue>() { scaled_row_to_floats<kEpilogue>(sums, all, all.row_scale[i], dst); };
    if (all.epilogue == Epilogue::kNone) row.template operator()<Epilogue::kNone>();
    if (all.epilogue == Epilogue::kGelu) row.template operator()<Epilogue::kGelu>();
    if (all.epilogue == Epilogue::kQuickGelu) row.template operator()<Epilogue::kQuickGelu>();
    if (all.epilogue == Epilogue::kTanhGelu) row.template operator()<Epilogue::kTanhGelu>();
    if (all.epilogue == Epilogue::kSilu) row.template operator()<Epilogue::kSilu>();
    if (all.epilogue == Epilogue::kAccumulate) row.template operator()<Epilogue::kAccumulate>();
  }
}

void sums_to_floats(const Requantize& all, std::int64_t begin, std::int64_t end) {
  for (std::int64_t i = begin; i < end; ++i) {
    const std::int32_t* sums = all.sums + i * all.sums_stride;
    float* dst = static_cast<float*>(all.dst) + i * all.dst_stride;
    if (all.epilogue == Epilogue::kNone) row_to_floats<Epilogue::kNone>(sums, all, dst);
    if (all.epilogue == Epilogue::kGelu) row_to_floats<Epilogue::kGelu>(sums, all, dst);
    if (all.epilogue == Epilogue::kQuickGelu) row_to_floats<Epilogue::kQuickGelu>(sums, all, dst);
    if (all.epilogue == Epilogue::kTanhGelu) row_to_floats<Epilogue::kTanhGelu>(sums, all, dst);
    if (all.epilogue == Epilogue::kSilu) row_to_floats<Epilogue::kSilu>(sums, all, dst);
    if (all.epilogue == Epilogue::kAccumulate) row_to_floats<Epilogue::kAccumulate>(sums, all, dst);
  }
}

void sums_to_codes(const Requantize& all, std::int64_t begin, std::int64_t end) {
  for (std::int64_t i = begin; i < end; ++i) {
    const std::int32_t* sums = all.sums + i * all.sums_stride;
    std::uint8_t* dst = static_cast<std::uint8_t*>(all.dst) + i * all.dst_stride;
    const auto row = [&]<Epilogue kEpilogue>() {
      row_to_codes<kEpilogue>(sums, all.multiplier, all.offset, all.columns, all.codes, dst);
    };
    if (all.epilogue == Epilogue::kNone) row.template operator()<Epilogue::kNone>();
    if (all.epilogue == Epilogue::kGelu) row.template operator()<Epilogue::kGelu>();
    if (all.epilogue == Epilogue::kQuickGelu) row.template operator()<Epilogue::kQuickGelu>();
    if (all.epilogue == Epilogue::kTanhGelu) row.template operator()<Epilogue::kTanhGelu>();
    if (all.epilogue == Epilogue::kSilu) row.template operator()<Epilogue::kSilu>();
  }
}

void quantize(const Quantize& all, std::int64_t begin, std::int64_t end) {
  for (std::int64_t i = begin; i < end; ++i) {
    const float* src = all.src + i * all.src_stride;
    std::uint8_t* dst = static_cast<std::uint8_t*>(all.dst) + i * all.dst_stride;
    simd::for_vectors(all.columns, [&](std::int64_t c, auto lanes) {
      store_codes(simd::load(src + c, lanes), all.codes, dst + c, lanes);
    });
  }
}

void round_to_bf16(const Quantize& all, std::int64_t begin, std::int64_t end) {
  for (std::int64_t i = begin; i < end; ++i) {
    const float* src = all.src + i * all.src_stride;
    std::uint16_t* dst = static_cast<std::uint16_t*>(all.dst) + i * all.dst_stride;
    simd::for_vectors(
        all.columns, [&](std::int64_t c, auto lanes) { simd::store_bf16(simd::load(src + c, lanes), dst + c, lanes); });
  }
}

}  // namespace
}  // namespace vitq::rows
