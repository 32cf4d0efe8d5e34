#pragma once
// What the input of a layer becomes: codes, and what they mean.

#include <cstdint>
#include <span>
#include <vector>

#include "engine/tensor.h"
#include "quant/fold.h"
#include "quant/observer.h"

namespace vitq {

struct LayerInput {
  ChannelScales grids;               ///< of each column, on which it is rounded
  Encoding source;                   ///< of the codes, but for the code book, which the layer will own
  int bits = 8;                      ///< of a code; with levels the source has 8
  std::vector<std::uint8_t> levels;  ///< of the code book; empty: none

  /// The codes [rows, inputs] of f32 rows, and where these have scales, those.
  struct Codes {
    std::vector<std::uint8_t> codes;
    std::vector<float> row_scales;
  };
  [[nodiscard]] Codes encode(const Tensor& src) const;
  /// What codes stand for: f32 [rows, inputs].
  [[nodiscard]] std::vector<float> decode(const Codes& encoded) const;
};

/// All of a matrix as observers take it.
FloatRows rows_in(const Tensor& matrix);

/// The one grid that observe_tensor finds. sample: f32 [rows, inputs], here and below.
LayerInput uniform_input(const Tensor& sample, int bits);

/// Codes that are the values: whole numbers from 0 to 255.
LayerInput byte_input(std::int64_t columns);

/// The same with the code book of fit_levels.
LayerInput code_book_input(const Tensor& sample, int bits);

/// What a folded LayerNorm will emit: each channel on its own grid, which the layer behind it knows as `layer`.
LayerInput folded_input(const ChannelScales& channels, const LayerScale& layer, int bits);

/// The codes of the first `count` tokens of each picture. codes: [pictures tokens, inputs].
std::vector<std::uint8_t> first_tokens(std::span<const std::uint8_t> codes, std::int64_t pictures, std::int64_t inputs,
                                       std::int64_t count);

}  // namespace vitq
