#pragma once
// The calibration pictures on their way through a model, one step at a time: patch embedding, blocks, head. Between two
// steps only the residual stream of all pictures is kept; a step takes them in chunks.

#include <cstdint>
#include <span>
#include <vector>

#include "models/network.h"

namespace vitq {

class Walk {
 public:
  /// images: [count, 3, size, size], normalised. network, workspace and images must outlive the walk; the layers of the
  /// network may be replaced between two calls of run(). Memory: max over the steps of count * tokens * dim floats, and
  /// a Workspace for kChunk pictures.
  Walk(const Network& network, Workspace& workspace, std::span<const float> images, std::int64_t count);

  /// Whether all steps are behind: the patch embedding, the backbone's, the head.
  [[nodiscard]] bool has_ended() const { return next_ == network_.backbone->steps() + 2; }

  /// Takes all pictures through the next step, while there is one. Where the observer ends it, always at the same site,
  /// nothing has happened and the step comes again: false. Else the walk stands in front of the step after it: true.
  [[nodiscard]] bool run(Observer& observer);

  static constexpr std::int64_t kChunk = 8;

 private:
  [[nodiscard]] bool embed(std::int64_t first, std::int64_t count, Observer& observer);
  [[nodiscard]] bool pass(std::size_t step, std::int64_t first, std::int64_t count, Observer& observer);
  [[nodiscard]] bool classify(std::int64_t first, std::int64_t count, Observer& observer);
  void load(const StreamShape& shape, std::int64_t first, std::int64_t count);
  void store(const StreamShape& shape, std::int64_t first, std::int64_t count);

  const Network& network_;
  Workspace& workspace_;
  std::span<const float> images_;
  std::int64_t count_;
  std::size_t next_ = 0;
  std::vector<float> stream_;  // [count, tokens, dim]
};

}  // namespace vitq
