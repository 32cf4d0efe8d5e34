#pragma once
// Pictures through a model, batch by batch, with the time of each step. Memory is that of one batch, however many
// pictures there are.

#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>
#include <string>

#include "vitq/image.h"
#include "vitq/session.h"

namespace vitq {

struct PictureTimes {
  double decode_ms = 0;
  double preprocess_ms = 0;
  double model_ms = 0;      ///< this picture's share of its batch
  double reference_ms = 0;  ///< the same of the reference, preprocessing of its own included
};

struct InferenceEvents {
  /// Picture `index` of the list has its logits [classes], and those of the reference (empty where there is none),
  /// valid during the call. Called in the order of the list.
  std::function<void(std::size_t index, const PictureTimes& times, std::span<const float> logits,
                     std::span<const float> reference)>
      on_result;
  /// Picture `index` cannot be read or does not suit the preprocessing; the others go on.
  std::function<void(std::size_t index, const std::string& message)> on_failure;
  /// Picture `index` was too large to be decoded whole (DecodeOptions::least_side). An Error thrown here makes a
  /// failure of it.
  std::function<void(std::size_t index, const Image& image)> on_reduced;
};

/// A model at work, and what is done to a picture before it. The session takes pictures of the model's own size.
struct Contestant {
  Session session;
  Preprocessing preprocessing;

  /// Throws as Session does.
  Contestant(std::shared_ptr<const Model> model, int threads, const Preprocessing& how);
};

/// Runs all `pictures`, decoded as `decoding` says, `batch` at a time, through the model and, where it is not null,
/// through a second one with as many classes; a picture is decoded once. Throws Error where a model fails, and where
/// its answer holds NaN or infinity: no ranking of that would mean anything.
void infer(Contestant& contestant, Contestant* reference, std::span<const std::filesystem::path> pictures,
           const DecodeOptions& decoding, int batch, const InferenceEvents& events);

}  // namespace vitq
