#pragma once
// Pictures through a model, batch by batch, with the time of each step. Memory is that of one batch, however many
// pictures there are.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "vitq/image.h"
#include "vitq/session.h"

namespace vitq {

/// What a pass is asked for: one row of floats for each picture.
enum class Answer : std::uint8_t {
  kLogits,     ///< [classes]
  kEmbedding,  ///< [embedding_size]
  kTokens,     ///< [tokens, token_size]
};

/// Floats of such a row.
std::size_t size_of(Answer answer, const Model& model);

/// Where a session writes such answers.
Outputs outputs_of(Answer answer, std::span<float> room);

/// Throws Error, naming the picture, where its answer holds NaN or infinity.
void check_finite(std::span<const float> answer, const std::filesystem::path& picture);

struct PictureTimes {
  double decode_ms = 0;
  double preprocess_ms = 0;
  double model_ms = 0;      ///< this picture's share of its batch
  double reference_ms = 0;  ///< the same of the reference, preprocessing of its own included; of streams, one's share
};

/// All are called on the thread that called infer(), in the order of the list.
struct InferenceEvents {
  /// Picture `index` of the list has its answer, and that of the reference (empty where there is none), valid during
  /// the call.
  std::function<void(std::size_t index, const PictureTimes& times, std::span<const float> answer,
                     std::span<const float> reference)>
      on_result;
  /// Picture `index` cannot be read or does not suit the preprocessing; the others go on.
  std::function<void(std::size_t index, const std::string& message)> on_failure;
  /// Picture `index` was too large to be decoded whole (DecodeOptions::least_side): it has 1/reduction of its sides.
  /// Called before its answer is; an Error thrown here makes a failure of it.
  std::function<void(std::size_t index, int reduction)> on_reduced;
  /// Another `count` pictures are done with, read or not.
  std::function<void(std::size_t count)> on_batch = [](std::size_t) {};
};

struct InferenceOptions {
  DecodeOptions decoding;
  int batch =
      1;  ///< pictures of the list, the unreadable included: who begins at a multiple of it has the same batches
  Answer answer = Answer::kLogits;
  /// Threads of one stream that read the pictures of a batch, before it is computed; with several, the time that one
  /// picture takes is longer than it would be alone. Reading the next batch on a further thread meanwhile was slower:
  /// on two cores it takes from one of the model's threads what the other then waits for (docs/speed.md).
  int readers = 1;
  /// Sessions side by side, each with its share of the threads and a batch of its own, at most as many as there are
  /// threads. Many pictures go faster through several narrow streams than through a wide one, whose threads wait for
  /// each other at the end of each layer (docs/speed.md). 0: the list's first batches are computed both ways, by one
  /// stream and by as many as there are threads, and the rest as went faster; of few batches all by one.
  int streams = 1;
};

/// A model at work, and what is done to a picture before it. The session takes pictures of the model's own size.
struct Contestant {
  std::shared_ptr<const Model> model;
  Session session;
  Preprocessing preprocessing;

  /// Throws as Session does.
  Contestant(std::shared_ptr<const Model> of, int threads, const Preprocessing& how);
};

/// Runs all `pictures`, a batch at a time, through the model and, where it is not null, through a second one; a picture
/// is decoded once. Throws Error where a model fails, and where its answer holds NaN or infinity: no ranking of that
/// would mean anything. Returns how many streams went to the end.
int infer(Contestant& contestant, Contestant* reference, std::span<const std::filesystem::path> pictures,
          const InferenceOptions& options, const InferenceEvents& events);

}  // namespace vitq
