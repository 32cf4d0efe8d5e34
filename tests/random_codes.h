#pragma once
// Integers for tests, the same on every run and machine; the ends of the range come up often, as that is where products
// saturate.

#include <cstdint>
#include <vector>

namespace vitq::test {

/// `count` integers of [least, most]: each end with probability 1/4, else uniform.
template <class T>
std::vector<T> random_codes(std::int64_t count, std::uint64_t seed, std::int64_t least, std::int64_t most) {
  std::vector<T> values;
  values.reserve(count);
  std::uint64_t state = seed;
  for (std::int64_t i = 0; i < count; ++i) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    const std::uint64_t kind = state >> 62;
    const auto inside = static_cast<std::int64_t>((state >> 24) % static_cast<std::uint64_t>(most - least + 1));
    values.push_back(static_cast<T>(kind == 0 ? least : kind == 1 ? most : least + inside));
  }
  return values;
}

}  // namespace vitq::test
