#pragma once
// Numbers for tests: the same on every run and machine.

#include <cstdint>
#include <vector>

namespace vitq::test {

/// `count` floats, uniform in [low, high), from a 64-bit linear congruential generator (Knuth's MMIX constants).
inline std::vector<float> random_floats(std::int64_t count, std::uint64_t seed, float low = -1.0F, float high = 1.0F) {
  std::vector<float> values;
  values.reserve(count);
  std::uint64_t state = seed;
  for (std::int64_t i = 0; i < count; ++i) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    values.push_back(low + (high - low) * (static_cast<float>(state >> 40) * 0x1p-24F));
  }
  return values;
}

}  // namespace vitq::test
