#pragma once
// The loops of byte_panels.h, compiled for AVX2. For byte_panels.cpp only.

#include <cstdint>

namespace vitq::byte_tiles {

inline constexpr std::int64_t kOutputs = 16;  ///< of a panel: two registers of sums

/// dst [rows, outputs] = src [rows, 2 pairs] times codes [pairs, 16 outputs, 2], of which the first `outputs` count.
/// src is dense; dst_stride in elements.
void multiply(const std::int16_t* src, std::int64_t rows, std::int64_t pairs, const std::int8_t* codes,
              std::int64_t outputs, std::int32_t* dst, std::int64_t dst_stride);

}  // namespace vitq::byte_tiles
