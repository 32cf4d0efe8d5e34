#pragma once
// engine/kernels/requantize.h, row by row.

#include "engine/kernels/rows/codes.h"

namespace vitq::rows {
namespace {

/// body of the epilogue, which is compiled for each.
template <class Body>
[[gnu::always_inline]] inline void with_epilogue(Epilogue epilogue, const Body& body) {
  switch (epilogue) {
    case Epilogue::kNone:
      return body.template operator()<Epilogue::kNone>();
    case Epilogue::kGelu:
      return body.template operator()<Epilogue::kGelu>();
    case Epilogue::kQuickGelu:
      return body.template operator()<Epilogue::kQuickGelu>();
    case Epilogue::kTanhGelu:
      return body.template operator()<Epilogue::kTanhGelu>();
    case Epilogue::kSilu:
      return body.template operator()<Epilogue::kSilu>();
    case Epilogue::kAccumulate:
      return body.template operator()<Epilogue::kAccumulate>();
  }
}

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

void sums_to_floats(const Requantize& all, std::int64_t begin, std::int64_t end) {
  for (std::int64_t i = begin; i < end; ++i) {
    const std::int32_t* sums = all.sums + i * all.sums_stride;
    float* dst = static_cast<float*>(all.dst) + i * all.dst_stride;
    with_epilogue(all.epilogue, [&]<Epilogue kEpilogue>() { row_to_floats<kEpilogue>(sums, all, dst); });
  }
}

void scaled_sums_to_floats(const Requantize& all, std::int64_t begin, std::int64_t end) {
  for (std::int64_t i = begin; i < end; ++i) {
    const std::int32_t* sums = all.sums + i * all.sums_stride;
    float* dst = static_cast<float*>(all.dst) + i * all.dst_stride;
    with_epilogue(all.epilogue,
                  [&]<Epilogue kEpilogue>() { scaled_row_to_floats<kEpilogue>(sums, all, all.row_scale[i], dst); });
  }
}

void sums_to_codes(const Requantize& all, std::int64_t begin, std::int64_t end) {
  for (std::int64_t i = begin; i < end; ++i) {
    const std::int32_t* sums = all.sums + i * all.sums_stride;
    std::uint8_t* dst = static_cast<std::uint8_t*>(all.dst) + i * all.dst_stride;
    with_epilogue(all.epilogue, [&]<Epilogue kEpilogue>() {
      if constexpr (kEpilogue == Epilogue::kAccumulate) return;  // nothing can be added to codes
      row_to_codes<kEpilogue>(sums, all.multiplier, all.offset, all.columns, all.codes, dst);
    });
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
