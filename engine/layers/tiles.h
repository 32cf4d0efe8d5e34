#pragma once
// How attention's rows of scores, counted over [groups, heads, tokens], are cut into tiles, and how a thread's memory
// is laid out for one. Only attention.cpp includes this file.

#include <algorithm>
#include <cstdint>

#include "engine/kernels/softmax.h"
#include "engine/layers/workspace.h"
#include "engine/tensor.h"

namespace vitq {

/// All rows of several heads, or some of one. A head here is that of one group.
struct Tile {
  std::int64_t first_row, heads, rows;

  [[nodiscard]] std::int64_t all_rows() const { return heads * rows; }
};

/// Memory that is handed out piece by piece, each on a cache line of its own.
class TileMemory {
 public:
  explicit TileMemory(std::span<std::byte> memory) : memory_(memory) {}

  /// [1, heads, rows, columns].
  Tensor take(const Tile& tile, std::int64_t columns, const Encoding& means) {
    const auto bytes = static_cast<std::size_t>(tile.all_rows() * columns) * size_of(means.dtype);
    std::byte* at = memory_.data();
    memory_ = memory_.subspan((bytes + kLine - 1) / kLine * kLine);
    return {at, {1, tile.heads, tile.rows, columns}, means};
  }

 private:
  static constexpr std::size_t kLine = 64;
  std::span<std::byte> memory_;
};

/// Calls use(tile) for rows [begin, end), in tiles whose scores stay in a core's L2 cache until softmax, and the
/// product with v, come for them: whole heads where they are small (one of ViT at 224 pixels, ten of Swin), else some
/// rows of one, at most `most_rows`.
template <class Use>
void for_each_tile(std::int64_t begin, std::int64_t end, std::int64_t tokens, std::int64_t most_rows, Use&& use) {
  constexpr std::int64_t kScores = std::int64_t{32} << 10;  // 128 KiB of them
  const std::int64_t most_heads = std::max<std::int64_t>(1, kScores / (tokens * padded_columns(tokens)));
  while (begin < end) {
    const std::int64_t heads = begin % tokens == 0 && tokens <= most_rows ? (end - begin) / tokens : 0;
    const std::int64_t count = (heads + most_heads - 1) / most_heads;
    const std::int64_t rest = std::min({tokens - begin % tokens, end - begin, most_rows});
    const Tile tile = heads == 0 ? Tile{begin, 1, rest} : Tile{begin, (heads + count - 1) / count, tokens};
    use(tile);
    begin += tile.all_rows();
  }
}

}  // namespace vitq
