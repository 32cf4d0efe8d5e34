#include "cli/sample.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <set>
#include <tuple>

#include "cli/file_identity.h"
#include "cli/sha256.h"
#include "engine/error.h"

namespace vitq {
namespace fs = std::filesystem;
namespace {

/// Steele, Lea, Flood: Fast splittable pseudorandom number generators, OOPSLA 2014.
std::uint64_t splitmix64(std::uint64_t& state) {
  state += 0x9e3779b97f4a7c15;
  std::uint64_t z = state;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

std::uint64_t below(std::uint64_t limit, std::uint64_t& state) {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  const std::uint64_t multiple = kMost - kMost % limit;
  std::uint64_t value = splitmix64(state);
  while (value >= multiple) value = splitmix64(state);
  return value % limit;
}

}  // namespace

std::vector<std::size_t> sample_indices(std::size_t total, std::size_t count, std::uint64_t seed) {
  check(count <= total, ErrorCode::kFile, "found ", total, " pictures, expected at least ", count, " (--count)");
  std::vector<std::size_t> order(total);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::uint64_t state = seed;
  for (std::size_t i = 0; i < count; ++i) std::swap(order[i], order[i + below(total - i, state)]);
  order.resize(count);
  std::ranges::sort(order);
  return order;
}

std::vector<fs::path> sample_pictures(std::vector<fs::path> pictures, std::size_t count, std::uint64_t seed) {
  const auto by_name = [](const fs::path& a, const fs::path& b) {
    const std::string a_name = a.filename().string();
    const std::string b_name = b.filename().string();
    return std::tie(a_name, a.native()) < std::tie(b_name, b.native());
  };
  std::ranges::sort(pictures, by_name);
  pictures.erase(std::unique(pictures.begin(), pictures.end()), pictures.end());
  std::set<FileIdentity> known;
  std::erase_if(pictures, [&known](const fs::path& picture) {
    const auto identity = identity_of(picture);
    return identity && !known.insert(*identity).second;
  });
  std::vector<fs::path> chosen;
  for (const std::size_t index : sample_indices(pictures.size(), count, seed)) chosen.push_back(pictures[index]);
  return chosen;
}

std::string sha256_of_pictures(const std::vector<fs::path>& pictures) {
  std::string lines;
  for (const fs::path& picture : pictures) {
    lines += sha256_of_file(picture) + "  " + picture.filename().string() + '\n';
  }
  return sha256({reinterpret_cast<const std::uint8_t*>(lines.data()), lines.size()});
}

}  // namespace vitq
