#pragma once
// The loops of float_panels.h, compiled for AVX2 and FMA. For float_panels.cpp, and the width for operand_tiles.cpp.

#include <cstdint>

namespace vitq::float_tiles {

inline constexpr std::int64_t kOutputs = 16;  ///< of a panel: two registers of sums
inline constexpr std::int64_t kRows = 6;      ///< of a tile: with them twelve of the sixteen registers are sums

/// What becomes of the sums of a panel: dst = sums + bias, or dst += that. bias: [outputs] or null.
struct Store {
  const float* bias;
  bool adds;
};

/// dst [rows, outputs] = src [rows, inputs] times weights [inputs, 16 outputs], of which the first `outputs` count.
/// Strides in elements. Each sum is a chain of fused multiply-adds in the order of the inputs. next: weights that will
/// be multiplied by next, on their way from memory meanwhile, or null.
void multiply(const float* src, std::int64_t src_stride, std::int64_t rows, std::int64_t inputs, const float* weights,
              const float* next, std::int64_t outputs, const Store& how, float* dst, std::int64_t dst_stride);

}  // namespace vitq::float_tiles
