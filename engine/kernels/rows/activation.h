#pragma once
// engine/kernels/activation.h, over a range of elements or rows.

#include "engine/kernels/rows/codes.h"

namespace vitq::rows {
namespace {

template <Activation kF>
[[gnu::always_inline]] inline simd::Floats activated(simd::Floats x) {
  if constexpr (kF == Activation::kGelu) return simd::gelu(x);
  if constexpr (kF == Activation::kQuickGelu) return simd::quick_gelu(x);
  if constexpr (kF == Activation::kTanhGelu) return simd::tanh_gelu(x);
  if constexpr (kF == Activation::kSilu) return simd::silu(x);
}

/// body(a function of vectors): compiled for each.
template <class Body>
[[gnu::always_inline]] inline void with_activation(Activation f, const Body& body) {
  switch (f) {
    case Activation::kGelu:
      body([](simd::Floats x) { return activated<Activation::kGelu>(x); });
      break;
    case Activation::kQuickGelu:
      body([](simd::Floats x) { return activated<Activation::kQuickGelu>(x); });
      break;
    case Activation::kTanhGelu:
      body([](simd::Floats x) { return activated<Activation::kTanhGelu>(x); });
      break;
    case Activation::kSilu:
      body([](simd::Floats x) { return activated<Activation::kSilu>(x); });
      break;
  }
}

void activate(const Activate& all, std::int64_t begin, std::int64_t end) {
  float* x = all.src + begin;
  with_activation(all.f, [&](const auto& f) {
    simd::for_vectors(end - begin,
                      [&](std::int64_t c, auto lanes) { simd::store(f(simd::load(x + c, lanes)), x + c, lanes); });
  });
}

void activate_bf16(const Activate& all, std::int64_t begin, std::int64_t end) {
  const float* x = all.src + begin;
  std::uint16_t* to = all.bf16 + begin;
  with_activation(all.f, [&](const auto& f) {
    simd::for_vectors(
        end - begin, [&](std::int64_t c, auto lanes) { simd::store_bf16(f(simd::load(x + c, lanes)), to + c, lanes); });
  });
}

// One loop for what it writes: emit(y, place, lanes).
template <class T, class Emit>
[[gnu::always_inline]] inline void gate_rows(const Gate& all, std::int64_t begin, std::int64_t end, const Emit& emit) {
  with_activation(all.f, [&](const auto& f) {
    for (std::int64_t i = begin; i < end; ++i) {
      const float* x = all.src + i * all.src_stride;
      const float* gated = x + all.columns;
      T* to = static_cast<T*>(all.dst) + i * all.dst_stride;
      simd::for_vectors(all.columns, [&](std::int64_t c, auto lanes) {
        emit(f(simd::load(x + c, lanes)) * simd::load(gated + c, lanes), to + c, lanes);
      });
    }
  });
}

void gate(const Gate& all, std::int64_t begin, std::int64_t end) {
  gate_rows<float>(all, begin, end, [](simd::Floats y, float* to, auto lanes) { simd::store(y, to, lanes); });
}

void gate_bf16(const Gate& all, std::int64_t begin, std::int64_t end) {
  gate_rows<std::uint16_t>(all, begin, end,
                           [](simd::Floats y, std::uint16_t* to, auto lanes) { simd::store_bf16(y, to, lanes); });
}

void gate_codes(const Gate& all, std::int64_t begin, std::int64_t end) {
  gate_rows<std::uint8_t>(
      all, begin, end, [&all](simd::Floats y, std::uint8_t* to, auto lanes) { store_codes(y, all.codes, to, lanes); });
}

}  // namespace
}  // namespace vitq::rows
