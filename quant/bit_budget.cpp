#include "quant/bit_budget.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "engine/error.h"
#include "weights/packing.h"

namespace vitq {

namespace {

constexpr int kLeastBits = 3;
constexpr int kMostBits = 8;

std::int64_t total_bytes(std::span<const LayerCost> layers, int bits) {
  std::int64_t bytes = 0;
  for (const LayerCost& layer : layers) bytes += weight_bytes(layer, bits);
  return bytes;
}

}  // namespace

std::int64_t weight_bytes(const LayerCost& layer, int bits) { return layer.outputs * packed_bytes(layer.inputs, bits); }

std::vector<int> fit_bits(std::span<const LayerCost> layers, std::int64_t bytes, int most_bits) {
  check(most_bits >= kLeastBits && most_bits <= kMostBits, "bit budget: at most ", most_bits, " bits, expected ",
        kLeastBits, " to ", kMostBits);
  const std::int64_t least = total_bytes(layers, kLeastBits);
  check(least <= bytes, "bit budget: ", bytes, " bytes for the weights between the edges, expected at least ", least,
        ", which they take at ", kLeastBits, " bits");
  int all = kLeastBits;
  while (all < most_bits && total_bytes(layers, all + 1) <= bytes) ++all;
  std::vector<int> bits(layers.size(), all);
  if (all == most_bits) return bits;

  const auto extra_bytes = [&](std::size_t i) {
    return weight_bytes(layers[i], all + 1) - weight_bytes(layers[i], all);
  };
  std::vector<std::size_t> order(layers.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, std::ranges::greater(), [&](std::size_t i) {
    return (layers[i].loss[all] - layers[i].loss[all + 1]) / static_cast<double>(extra_bytes(i));
  });
  std::int64_t left = bytes - total_bytes(layers, all);
  for (const std::size_t i : order) {
    if (extra_bytes(i) > left) continue;
    left -= extra_bytes(i);
    bits[i] = all + 1;
  }
  return bits;
}

}  // namespace vitq
