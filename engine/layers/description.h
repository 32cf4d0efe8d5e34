#pragma once
// What a layer is, in plain numbers: from the fit of a quantizer to a file, from a file to packed weights.

#include <array>
#include <cstdint>
#include <span>
#include <variant>
#include <vector>

namespace vitq {

/// A linear layer of floats, as checkpoints hold it; not owned.
struct FloatLinear {
  std::span<const float> weight;  ///< [outputs, inputs]
  std::span<const float> bias;    ///< [outputs] or empty
  std::int64_t outputs = 0;
  std::int64_t inputs = 0;
};

/// A linear layer on integers. Row o of the result, for u8 source codes x:
/// bias[o] + input_scale * scale[o] * sum_i codes[o, i] (x[i] - input_zero_point).
/// Input levels are a code book (engine/kernels/code_book.h): x has 8 bits and is one of them, input_bits tell how
/// many.
struct QuantizedLinear {
  std::int64_t outputs = 0;
  std::int64_t inputs = 0;
  int weight_bits = 8;  ///< 3 to 8
  int input_bits = 8;   ///< 3 to 8, of a code; with levels x has 8 bits all the same
  float input_scale = 1;
  bool row_scales = false;              ///< each row of x has a scale of its own in place of input_scale, which is 1
  std::int32_t input_zero_point = 0;    ///< may lie outside the codes; at most 2^22 away from 0
  std::vector<std::int8_t> codes = {};  ///< [outputs, inputs], as executed
  std::vector<std::uint8_t> zero_point = {};  ///< [outputs], 0 .. 2^weight_bits - 1, so is codes + it; empty at 8 bits
                                              ///< and with weight levels
  std::vector<float> scale = {};              ///< [outputs]
  std::vector<float> bias = {};               ///< [outputs], or empty
  std::vector<std::uint8_t> input_levels = {};  ///< 2 to 2^input_bits, strictly ascending; empty: none, all codes
  std::vector<std::int8_t> weight_levels = {};  ///< below 8 bits: 2 to 2^weight_bits, strictly ascending, which all
                                                ///< codes are taken from; empty: none
};

using LinearDescription = std::variant<FloatLinear, QuantizedLinear>;

/// The two products of an attention on integers, and the softmax between them.
struct QuantizedAttention {
  std::array<float, 3> scales = {1, 1, 1};  ///< of q, k and v
  int method = 0;                           ///< 0 uniform, 1 tanq, 2 log2, 3 logsqrt2
  int bits = 8;                             ///< 3 to 8
  float a = 0;                              ///< tanq's steepness, for people: the table is what runs
  float c = 0;                              ///< tanq's centre
  std::vector<std::uint8_t> table = {};     ///< level of e at round(4095 e); empty for uniform 8 bits: round(255 e)
};

}  // namespace vitq
