#pragma once
// A quantized model with one tensor of every kind, small enough to be taken apart, and random layers of any width.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "tests/random.h"
#include "tests/random_codes.h"
#include "weights/artifact.h"

namespace vitq::test {

inline QuantizedLinear random_linear(std::int64_t outputs, std::int64_t inputs, int bits, std::uint64_t seed) {
  QuantizedLinear linear{.outputs = outputs,
                         .inputs = inputs,
                         .weight_bits = bits,
                         .input_bits = bits,
                         .input_scale = 0.02F,
                         .input_zero_point = -7};
  linear.scale = random_floats(outputs, seed, 0.001F, 0.01F);
  linear.bias = random_floats(outputs, seed + 1);
  if (bits == 8) {
    linear.codes = random_codes<std::int8_t>(outputs * inputs, seed, -127, 127);
    return linear;
  }
  const int most = (1 << bits) - 1;
  linear.zero_point = random_codes<std::uint8_t>(outputs, seed + 2, 0, most);
  const auto stored = random_codes<std::int64_t>(outputs * inputs, seed + 3, 0, most);
  for (std::int64_t i = 0; i < outputs * inputs; ++i) {
    linear.codes.push_back(static_cast<std::int8_t>(stored[i] - linear.zero_point[i / inputs]));
  }
  return linear;
}

/// The same with as many input levels as its bits allow, from 0 to 255.
inline QuantizedLinear random_linear_with_levels(std::int64_t outputs, std::int64_t inputs, int bits,
                                                 std::uint64_t seed) {
  QuantizedLinear linear = random_linear(outputs, inputs, bits, seed);
  const int last = (1 << bits) - 1;
  for (int i = 0; i <= last; ++i) linear.input_levels.push_back(static_cast<std::uint8_t>(i * 255 / last));
  return linear;
}

/// A layer whose weights have as many levels as their bits allow, from -60 on.
inline QuantizedLinear random_linear_with_weight_levels(std::int64_t outputs, std::int64_t inputs, int bits,
                                                        std::uint64_t seed) {
  QuantizedLinear linear = random_linear(outputs, inputs, bits, seed);
  linear.zero_point.clear();
  const int step = bits < 5 ? 7 : bits < 7 ? 2 : 1;
  for (int i = 0; i < 1 << bits; ++i) linear.weight_levels.push_back(static_cast<std::int8_t>(i * step - 60));
  const auto numbers = random_codes<std::uint8_t>(outputs * inputs, seed + 4, 0, (1 << bits) - 1);
  std::ranges::transform(numbers, linear.codes.begin(), [&](int number) { return linear.weight_levels[number]; });
  return linear;
}

inline QuantizedAttention random_attention(int method, int bits) {
  QuantizedAttention attention{.scales = {0.1F, 0.2F, 0.3F}, .method = method, .bits = bits, .a = 0.5F, .c = 0.25F};
  if (method == 0 && bits == 8) return attention;
  attention.table = random_codes<std::uint8_t>(4096, bits, 0, 255);
  attention.table.back() = 255;
  return attention;
}

/// The float tensors of the model under attack: one of each kind.
inline std::vector<TensorSpec> small_tensors() {
  return {{"patch_embed.proj.weight", {6, 3, 2, 2}},
          {"patch_embed.proj.bias", {6}},
          {"pos_embed", {1, 5, 6}},
          {"blocks.0.norm1.weight", {6}},
          {"blocks.0.norm1.bias", {6}},
          {"blocks.0.attn.qkv.weight", {18, 6}},
          {"blocks.0.attn.qkv.bias", {18}},
          {"blocks.0.attn.proj.weight", {6, 6}},
          {"blocks.0.attn.proj.bias", {6}},
          {"layers.1.downsample.reduction.weight", {4, 7}},
          {"norm.weight", {6}},
          {"norm.bias", {6}},
          {"head.fc.weight", {3, 6}},
          {"head.fc.bias", {3}}};
}

/// patch_embed of 8 bits, qkv of 4, proj of 4 with all 16 levels of a code book, a reduction of 3; head and last norm
/// in float.
inline ArtifactBuilder small_artifact() {
  ArtifactBuilder builder;
  builder.add_linear("patch_embed.proj", random_linear(6, 12, 8, 1));
  builder.add_linear("blocks.0.attn.qkv", random_linear(18, 6, 4, 2));
  builder.add_linear("blocks.0.attn.proj", random_linear_with_levels(6, 6, 4, 11));
  builder.add_linear("layers.1.downsample.reduction", random_linear(4, 7, 3, 3));
  builder.add_norm("blocks.0.norm1", random_floats(6, 4), random_floats(6, 5));
  builder.add_attention("blocks.0.attn", random_attention(1, 4));
  builder.add_float("pos_embed", {1, 5, 6}, random_floats(30, 6));
  builder.add_float("norm.weight", {6}, random_floats(6, 7));
  builder.add_float("norm.bias", {6}, random_floats(6, 8));
  builder.add_float("head.fc.weight", {3, 6}, random_floats(18, 9));
  builder.add_float("head.fc.bias", {3}, random_floats(3, 10));
  builder.set_metadata("vitq_version", "0.1.0");
  return builder;
}

}  // namespace vitq::test
