#include "quant/walk.h"

#include <algorithm>

#include "engine/picture/patches.h"

namespace vitq {

Walk::Walk(const Network& network, Workspace& workspace, std::span<const float> images, std::int64_t count)
    : network_(network), workspace_(workspace), images_(images), count_(count) {
  std::int64_t most = 0;
  for (std::size_t i = 0; i <= network.backbone->steps(); ++i) {
    const StreamShape shape = network.backbone->stream_after(i);
    most = std::max(most, shape.tokens * shape.dim);
  }
  stream_.resize(count * most);
}

// A stream never grows from a step to the next, so that what a chunk becomes may lie where the chunk was.
bool Walk::run(Observer& observer) {
  bool is_done = true;
  for (std::int64_t first = 0; first < count_; first += kChunk) {
    const std::int64_t count = std::min(kChunk, count_ - first);
    workspace_.fit(network_.plan(count, true));
    is_done = next_ == 0                           ? embed(first, count, observer)
              : next_ > network_.backbone->steps() ? classify(first, count, observer)
                                                   : pass(next_ - 1, first, count, observer);
  }
  if (is_done) ++next_;
  return is_done;
}

bool Walk::embed(std::int64_t first, std::int64_t count, Observer& observer) {
  const ModelConfig& config = network_.config;
  const std::int64_t size = std::ssize(images_) / count_;
  const Tensor patches = network_.patch_rows(workspace_, count);
  cut_patches(images_.subspan(first * size, count * size), config.image_size, config.patch, patches, network_.pixels);
  if (!network_.backbone->embed(workspace_, patches, count, &observer)) return false;
  store(network_.backbone->stream_after(0), first, count);
  return true;
}

bool Walk::pass(std::size_t step, std::int64_t first, std::int64_t count, Observer& observer) {
  load(network_.backbone->stream_after(step), first, count);
  if (!network_.backbone->step(step, workspace_, count, &observer)) return false;
  store(network_.backbone->stream_after(step + 1), first, count);
  return true;
}

bool Walk::classify(std::int64_t first, std::int64_t count, Observer& observer) {
  load(network_.backbone->stream_after(network_.backbone->steps()), first, count);
  const Tensor tokens = network_.backbone->finish(workspace_, count, nullptr);
  const Head& head = network_.head;
  const ModelConfig& config = network_.config;
  std::vector<float> result(count * std::max(config.classes, config.embedding_size()));
  if (head.classifies())
    return head.classify(workspace_, tokens, Tensor(result.data(), {count, config.classes}), &observer);
  return head.embed(workspace_, tokens, Tensor(result.data(), {count, config.embedding_size()}), &observer);
}

void Walk::load(const StreamShape& shape, std::int64_t first, std::int64_t count) {
  const std::int64_t size = shape.tokens * shape.dim;
  std::copy_n(&stream_[first * size], count * size,
              workspace_.tensor(Slot::kTokens, {count * shape.tokens, shape.dim}).f32());
}

void Walk::store(const StreamShape& shape, std::int64_t first, std::int64_t count) {
  const std::int64_t size = shape.tokens * shape.dim;
  std::copy_n(workspace_.tensor(Slot::kTokens, {count * shape.tokens, shape.dim}).f32(), count * size,
              &stream_[first * size]);
}

}  // namespace vitq
