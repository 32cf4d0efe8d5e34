#include "cli/inference.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <optional>
#include <vector>

#include "engine/error.h"
#include "engine/picture/resize.h"
#include "engine/threads.h"

namespace vitq {
namespace {

/// Milliseconds since the last call, or since it was made.
class Stopwatch {
 public:
  double lap_ms() {
    const Clock::time_point now = Clock::now();
    const std::chrono::duration<double, std::milli> passed = now - start_;
    start_ = now;
    return passed.count();
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

/// A picture as the models want it, or why there is none.
struct Prepared {
  PictureTimes times;
  Image crop;
  Image reference_crop;
  int reduction = 1;
  std::string failure;  ///< empty: none
};

using PreparedBatch = std::vector<Prepared>;

/// What is given to the session: it resizes what stays in float.
Image brought_to_size(const Image& image, const Preprocessing& how) {
  return makes_floats(how) ? image : resized(image, how);
}

/// `reference` may be null. What is not a failure of the picture (no memory) is thrown.
Prepared prepare(const std::filesystem::path& path, const DecodeOptions& decoding, const Preprocessing& how,
                 const Preprocessing* reference) {
  Prepared prepared;
  Stopwatch watch;
  try {
    const Image image = load_image(path, decoding);
    prepared.reduction = image.reduction;
    prepared.times.decode_ms = watch.lap_ms();
    try {
      prepared.crop = brought_to_size(image, how);
      prepared.times.preprocess_ms = watch.lap_ms();
      if (reference != nullptr) prepared.reference_crop = brought_to_size(image, *reference);
    } catch (const Error& error) {
      fail(error.code(), path.string(), ": ", error.what());
    }
    prepared.times.reference_ms = watch.lap_ms();
  } catch (const Error& error) {
    prepared.failure = error.what();
  }
  return prepared;
}

/// One model with the answers to a batch.
class Lane {
 public:
  Lane(Contestant& contestant, Answer answer, std::size_t batch)
      : contestant_(contestant),
        answer_(answer),
        size_(size_of(answer, contestant.session.model())),
        answers_(batch * size_) {}

  void run(std::span<const ImageView> crops) {
    const std::span<float> room = std::span(answers_).first(crops.size() * size_);
    contestant_.session.run(crops, outputs_of(answer_, room));
  }

  /// The answer to the picture in `slot`, called `picture` in the error where that is not finite.
  [[nodiscard]] std::span<const float> answer(std::size_t slot, const std::filesystem::path& picture) const {
    const std::span<const float> row = std::span(answers_).subspan(slot * size_, size_);
    check_finite(row, picture);
    return row;
  }

  [[nodiscard]] const Preprocessing& preprocessing() const { return contestant_.preprocessing; }

 private:
  Contestant& contestant_;
  Answer answer_;
  std::size_t size_;
  std::vector<float> answers_;
};

class Inference {
 public:
  Inference(Contestant& contestant, Contestant* reference, std::span<const std::filesystem::path> pictures,
            const InferenceOptions& options, const InferenceEvents& events)
      : options_(options),
        batch_(std::min(static_cast<std::size_t>(options.batch), pictures.size())),
        model_(contestant, options.answer, batch_),
        pictures_(pictures),
        events_(events) {
    if (reference != nullptr) reference_.emplace(*reference, options.answer, batch_);
  }

  void run() {
    for (std::size_t first = 0; first < pictures_.size(); first += batch_) {
      PreparedBatch batch = prepared_from(first);
      refuse_reduced(batch, first);
      compute(batch);
      deliver(batch, first);
      events_.on_batch(batch.size());
    }
  }

 private:
  /// The batch that begins at picture `first`. Each reader takes the next picture that nobody has.
  [[nodiscard]] PreparedBatch prepared_from(std::size_t first) const {
    const Preprocessing* other = reference_ ? &reference_->preprocessing() : nullptr;
    const auto paths = pictures_.subspan(first, std::min(batch_, pictures_.size() - first));
    PreparedBatch batch(paths.size());
    std::atomic<std::size_t> next{0};
    const ThreadScope scope(options_.readers);
    parallel_for(options_.readers, 1, [&](std::int64_t, std::int64_t) {
      for (std::size_t i = next++; i < paths.size(); i = next++) {
        batch[i] = prepare(paths[i], options_.decoding, model_.preprocessing(), other);
      }
    });
    return batch;
  }

  void refuse_reduced(PreparedBatch& batch, std::size_t first) const {
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (batch[i].reduction == 1 || !batch[i].failure.empty()) continue;
      try {
        events_.on_reduced(first + i, batch[i].reduction);
      } catch (const Error& error) {
        batch[i].failure = error.what();
      }
    }
  }

  void compute(PreparedBatch& batch) {
    std::vector<ImageView> crops;
    std::vector<ImageView> reference_crops;
    for (const Prepared& picture : batch) {
      if (!picture.failure.empty()) continue;
      crops.emplace_back(picture.crop);
      if (reference_) reference_crops.emplace_back(picture.reference_crop);
    }
    if (crops.empty()) return;
    const auto count = static_cast<double>(crops.size());
    Stopwatch watch;
    model_.run(crops);
    const double model_ms = watch.lap_ms() / count;
    if (reference_) reference_->run(reference_crops);
    const double reference_ms = watch.lap_ms() / count;
    for (Prepared& picture : batch) {
      picture.times.model_ms = model_ms;
      picture.times.reference_ms += reference_ms;
    }
  }

  void deliver(const PreparedBatch& batch, std::size_t first) const {
    std::size_t slot = 0;
    for (std::size_t i = 0; i < batch.size(); ++i) {
      if (!batch[i].failure.empty()) {
        events_.on_failure(first + i, batch[i].failure);
        continue;
      }
      const std::filesystem::path& path = pictures_[first + i];
      events_.on_result(first + i, batch[i].times, model_.answer(slot, path),
                        reference_ ? reference_->answer(slot, path) : std::span<const float>());
      ++slot;
    }
  }

  const InferenceOptions& options_;
  std::size_t batch_;
  Lane model_;
  std::optional<Lane> reference_;
  std::span<const std::filesystem::path> pictures_;
  const InferenceEvents& events_;
};

// The crop is made here, where its time is taken: the session shall find nothing left to resize (but in float).
Preprocessing without_resize(Preprocessing how) {
  if (!makes_floats(how)) how.resize = 0;
  return how;
}

}  // namespace

std::size_t size_of(Answer answer, const Model& model) {
  switch (answer) {
    case Answer::kLogits:
      return model.classes();
    case Answer::kEmbedding:
      return model.embedding_size();
    case Answer::kTokens:
      break;
  }
  return model.tokens() * model.token_size();
}

Outputs outputs_of(Answer answer, std::span<float> room) {
  Outputs outputs;
  (answer == Answer::kLogits      ? outputs.logits
   : answer == Answer::kEmbedding ? outputs.embedding
                                  : outputs.tokens) = room;
  return outputs;
}

void check_finite(std::span<const float> answer, const std::filesystem::path& picture) {
  check(std::ranges::all_of(answer, [](float value) { return std::isfinite(value); }), ErrorCode::kFormat,
        picture.string(),
        ": the model's answer is not finite: its weights are damaged, or --mean and --std are not its own");
}

Contestant::Contestant(std::shared_ptr<const Model> model, int threads, const Preprocessing& how)
    : session(std::move(model), {.threads = threads, .preprocessing = without_resize(how)}), preprocessing(how) {}

void infer(Contestant& contestant, Contestant* reference, std::span<const std::filesystem::path> pictures,
           const InferenceOptions& options, const InferenceEvents& events) {
  if (!pictures.empty()) Inference(contestant, reference, pictures, options, events).run();
}

}  // namespace vitq
