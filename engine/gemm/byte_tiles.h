#pragma once
// The loops of byte_panels.h, compiled for AVX2. For byte_panels.cpp and operand_panels.cpp.

#include <cstdint>

namespace vitq::byte_tiles {

inline constexpr std::int64_t kOutputs = 16;  ///< of a panel: two registers of sums

/// dst [rows, outputs] = src [rows, 2 pairs] times codes [pairs, 16 outputs, 2], of which the first `outputs` count.
/// src is dense; dst_stride in elements.
void multiply_pairs(const std::int16_t* src, std::int64_t rows, std::int64_t pairs, const std::int8_t* codes,
                    std::int64_t outputs, std::int32_t* dst, std::int64_t dst_stride);

/// The same of bytes as they are: src [rows, 4 quads], codes [quads, 16 outputs, 4]. Pairs of products are summed in 16
/// bits over `steps` quads, which must not leave their range: steps * 2 * 255 * |code| < 2^15.
void multiply_quads(const std::uint8_t* src, std::int64_t src_stride, std::int64_t rows, std::int64_t quads,
                    std::int64_t steps, const std::int8_t* codes, std::int64_t outputs, std::int32_t* dst,
                    std::int64_t dst_stride);

}  // namespace vitq::byte_tiles
