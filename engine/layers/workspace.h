#pragma once
// Everything that a pass writes to: the products' scratch, the activations, a tile for each thread, the clock. Layers
// and weights are const beside it; one Workspace per session, not for use from two threads at once.

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <vector>

#include "engine/gemm/gemm.h"
#include "engine/tensor.h"

namespace vitq {

/// The activations of a transformer. Sizes are for the largest encoding that may stand there (f32, but for q, k, v of
/// an integer attention). rows = groups x tokens of all pictures.
enum class Slot : std::uint8_t {
  kPatches,  ///< [patches, values of a patch], of all pictures
  kTokens,   ///< [rows, dim], the residual stream, f32
  kNormed,   ///< [rows, dim], what a LayerNorm emits
  kOrder,    ///< s32 [rows], the order in which windows take the rows of the stream
  kQkv,      ///< [rows, 3 dim], where q, k and v are not split at once
  kQ,
  kK,
  kV,             ///< [groups, heads, tokens, head_dim], tokens padded in k and v
  kMixed,         ///< [rows, dim], attention's output, heads side by side
  kHidden,        ///< [rows, hidden], the MLP's
  kNeighbours,    ///< [rows / 4, 4 dim], 2x2 neighbours side by side (patch merging)
  kPooled,        ///< [pictures, dim], the embedding
  kEncoded,       ///< a layer's input, where it takes another encoding than what comes
  kRowScales,     ///< [rows], of what stands in kEncoded, where its rows have a scale each
  kHiddenScales,  ///< the same of kHidden
};
inline constexpr std::size_t kSlotCount = static_cast<std::size_t>(Slot::kHiddenScales) + 1;

/// How many bytes each slot must have for a pass; the largest of what its layers ask for.
class BufferPlan {
 public:
  /// `elements` of 4 bytes.
  void need(Slot slot, std::int64_t elements) {
    std::int64_t& bytes = bytes_[static_cast<std::size_t>(slot)];
    bytes = bytes > 4 * elements ? bytes : 4 * elements;
  }
  [[nodiscard]] std::int64_t bytes(Slot slot) const { return bytes_[static_cast<std::size_t>(slot)]; }
  [[nodiscard]] std::int64_t total() const;

 private:
  std::array<std::int64_t, kSlotCount> bytes_{};
};

class Workspace {
 public:
  /// Makes room for a pass. Where memory is not to be had it throws and everything stays as it was; buffers grow and
  /// never shrink.
  void fit(const BufferPlan& plan);

  /// Codes [rows, columns] in `slot`, kEncoded or kHidden, with the scales of their rows where `means` has such.
  [[nodiscard]] Tensor codes(Slot slot, std::int64_t rows, std::int64_t columns, const Encoding& means) const;

  /// A dense view of a slot. Throws Error where the plan did not ask for so much.
  [[nodiscard]] Tensor tensor(Slot slot, std::initializer_list<std::int64_t> dims,
                              const Encoding& means = kFloat) const;

  /// Memory of one thread, kTileBytes of it, while it works on a tile (gemm().parallel's lanes).
  [[nodiscard]] std::span<std::byte> tile(int lane) const;
  /// A tile is what one thread attends to at a time: some rows of scores, and what becomes of them.
  static constexpr std::int64_t kTileBytes = std::int64_t{512} << 10;

  [[nodiscard]] Gemm& gemm() { return gemm_; }
  [[nodiscard]] StepClock& clock() const { return gemm_.clock(); }

 private:
  Gemm gemm_;
  std::array<Buffer, kSlotCount> buffers_;
  std::vector<Buffer> tiles_;
};

}  // namespace vitq
