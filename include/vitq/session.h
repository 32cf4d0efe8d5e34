#pragma once
// A model at work: everything that changes while pictures are computed. One Session for each thread that asks.

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "vitq/image.h"
#include "vitq/model.h"
#include "vitq/preprocessing.h"

namespace vitq {

struct SessionOptions {
  /// To compute with; never more than OpenMP grants. 0: as many as CPUs this process may run on, at most
  /// OMP_NUM_THREADS, and at most the CPU quota of its cgroup, rounded up.
  int threads = 0;
  /// Instead of the model's own; its image_size must be the model's.
  std::optional<Preprocessing> preprocessing = std::nullopt;
};

/// Where results are written, each empty where it is not asked for.
struct Outputs {
  std::span<float> logits = {};     ///< [pictures, classes]
  std::span<float> embedding = {};  ///< [pictures, embedding_size]: what the classifier takes
  std::span<float> tokens = {};     ///< [pictures, tokens, token_size], behind the last norm
};

/// Which results to make room for.
struct Wanted {
  bool logits = true;
  bool embedding = false;
  bool tokens = false;
};

struct Result {
  std::int64_t pictures = 0;
  std::vector<float> logits;     ///< [pictures, classes], or empty; so are the others
  std::vector<float> embedding;  ///< [pictures, embedding_size]
  std::vector<float> tokens;     ///< [pictures, tokens, token_size]
};

class [[gnu::visibility("default")]] Session {
 public:
  /// Throws Error (kArgument) where there is no model, for a negative number of threads, or a preprocessing that makes
  /// no sense.
  explicit Session(std::shared_ptr<const Model> model, const SessionOptions& options = {});
  ~Session();
  Session(Session && other) noexcept;
  Session& operator=(Session&& other) noexcept;

  [[nodiscard]] const Model& model() const;
  [[nodiscard]] int threads() const;
  [[nodiscard]] const Preprocessing& preprocessing() const;

  // All that follow throw Error and leave the session as good as before: kArgument for sizes that do not fit, a picture
  // that cannot be cropped, a second thread that calls while one is at work, or a call inside a parallel region of
  // OpenMP that grants fewer threads than the session was made for; kMemory. The first pass of a larger batch than any
  // before allocates; later ones do not, but for the resizing of pictures. A session that was moved from may only be
  // assigned to or destroyed.

  /// Pictures of any size: resized, cropped, normalised, computed as one batch.
  void run(std::span<const ImageView> pictures, const Outputs& outputs);
  [[nodiscard]] Result run(std::span<const ImageView> pictures, const Wanted& wanted = {});

  /// images: f32 [count, 3, image_height, image_width], normalised by the caller.
  void run(std::span<const float> images, std::int64_t count, const Outputs& outputs);
  [[nodiscard]] Result run(std::span<const float> images, std::int64_t count, const Wanted& wanted = {});

  /// The k most probable classes of a picture (Model::top).
  [[nodiscard]] std::vector<Prediction> classify(const ImageView& picture, int k = 5);

  /// Bytes that a batch of so many pictures takes beside the model: activations, and a tile for each thread. What
  /// oneDNN keeps for itself comes on top (some MB). Throws Error (kArgument) unless batch is positive.
  [[nodiscard]] std::int64_t memory(std::int64_t batch) const;

  struct Impl;
  [[nodiscard]] Impl& impl() const;  ///< for vitq itself

 private:
  std::unique_ptr<Impl> impl_;
};

}  // namespace vitq
