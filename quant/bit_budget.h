#pragma once
// Mixed precision: which layers get fewer bits, so that all weights together fit into a given size.

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace vitq {

/// What a layer's weights take, and what they cost, at each width.
struct LayerCost {
  std::string layer;
  std::int64_t outputs = 0;
  std::int64_t inputs = 0;
  std::array<double, 9> loss = {};  ///< [bits] for 3 to 8: what is lost by rounding to them, in any unit common to all
};

/// Bytes of the packed codes of such a layer (weights/packing.h).
std::int64_t weight_bytes(const LayerCost& layer, int bits);

/// Bits of each layer, so that all of them together take at most `bytes`: the most that all can have, 3 to most_bits,
/// and one more for those that gain most for each byte, as far as the bytes reach. Two neighbouring widths and no free
/// choice among all: layers of 3 bits beside others of 5 were worse than 4 bits everywhere (DeiT-T, W?A8 in 3.4 MB, KL
/// .057 against .041, three seeds), for losses measured one layer at a time promise more than they keep. Throws Error
/// where even 3 bits everywhere are too much.
std::vector<int> fit_bits(std::span<const LayerCost> layers, std::int64_t bytes, int most_bits);

}  // namespace vitq
