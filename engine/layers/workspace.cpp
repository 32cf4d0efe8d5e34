#include "engine/layers/workspace.h"

#include <numeric>

#include "engine/error.h"
#include "engine/threads.h"

namespace vitq {

std::int64_t BufferPlan::total() const { return std::accumulate(bytes_.begin(), bytes_.end(), std::int64_t{0}); }

void Workspace::fit(const BufferPlan& plan) {
  // All of it is there before any of it replaces what was.
  std::array<Buffer, kSlotCount> grown;
  for (std::size_t i = 0; i < kSlotCount; ++i) {
    const auto bytes = static_cast<std::size_t>(plan.bytes(static_cast<Slot>(i)));
    if (bytes > buffers_[i].size()) grown[i] = Buffer(bytes);
  }
  while (std::ssize(tiles_) < current_threads()) tiles_.emplace_back(static_cast<std::size_t>(kTileBytes));
  for (std::size_t i = 0; i < kSlotCount; ++i) {
    if (grown[i].size() > 0) buffers_[i] = std::move(grown[i]);
  }
}

Tensor Workspace::tensor(Slot slot, std::initializer_list<std::int64_t> dims, const Encoding& means) const {
  const Buffer& buffer = buffers_[static_cast<std::size_t>(slot)];
  const Tensor view(buffer.data(), dims, means);
  const auto bytes = static_cast<std::size_t>(view.dims[0] * view.strides[0]) * size_of(means.dtype);
  check(bytes <= buffer.size(), ErrorCode::kInternal, "workspace: slot ", static_cast<int>(slot), " has ",
        buffer.size(), " bytes, but ", bytes, " are asked for; the plan of buffers is wrong");
  return view;
}

Tensor Workspace::codes(Slot slot, std::int64_t rows, std::int64_t columns, const Encoding& means) const {
  Tensor matrix = tensor(slot, {rows, columns}, means);
  if (means.row_scales) {
    matrix.row_scales = tensor(slot == Slot::kHidden ? Slot::kHiddenScales : Slot::kRowScales, {rows}).f32();
  }
  return matrix;
}

std::span<std::byte> Workspace::tile(int lane) const {
  check(lane < std::ssize(tiles_), ErrorCode::kInternal, "workspace: no tile for thread ", lane, " of ", tiles_.size());
  return {tiles_[lane].data(), tiles_[lane].size()};
}

}  // namespace vitq
