#include "cli/inference.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <vector>

#include "engine/error.h"
#include "engine/picture/resize.h"

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

/// One model with a batch of pictures as it wants them, and its answers.
class Lane {
 public:
  Lane(Contestant& contestant, std::size_t batch)
      : contestant_(contestant),
        classes_(contestant.session.model().classes()),
        crops_(batch),
        logits_(batch * classes_) {}

  void put(const Image& image, std::size_t slot) { crops_[slot] = resized(image, contestant_.preprocessing); }

  void run(std::size_t count) {
    const std::vector<ImageView> views(crops_.begin(), crops_.begin() + static_cast<std::ptrdiff_t>(count));
    contestant_.session.run(views, {.logits = std::span(logits_).first(count * classes_)});
  }

  /// The answer to the picture in `slot`, called `picture` in the error where that is not finite.
  [[nodiscard]] std::span<const float> answer(std::size_t slot, const std::filesystem::path& picture) const {
    const std::span<const float> row = std::span(logits_).subspan(slot * classes_, classes_);
    check(std::ranges::all_of(row, [](float value) { return std::isfinite(value); }), ErrorCode::kFormat,
          picture.string(),
          ": the model's answer is not finite: its weights are damaged, or --mean and --std are not its own");
    return row;
  }

 private:
  Contestant& contestant_;
  std::size_t classes_;
  std::vector<Image> crops_;
  std::vector<float> logits_;
};

/// One batch: pictures are added until it is full, then all go through the models at once.
class Batch {
 public:
  Batch(Contestant& contestant, Contestant* reference, std::span<const std::filesystem::path> pictures,
        const DecodeOptions& decoding, std::size_t size, const InferenceEvents& events)
      : model_(contestant, size), pictures_(pictures), decoding_(decoding), events_(events), size_(size) {
    if (reference != nullptr) reference_.emplace(*reference, size);
    waiting_.reserve(size);
  }

  void add(std::size_t index) {
    PictureTimes times;
    Stopwatch watch;
    const Image image = load_image(pictures_[index], decoding_);
    if (image.reduction > 1) events_.on_reduced(index, image);
    times.decode_ms = watch.lap_ms();
    try {
      model_.put(image, waiting_.size());
      times.preprocess_ms = watch.lap_ms();
      if (reference_) reference_->put(image, waiting_.size());
    } catch (const Error& error) {
      fail(error.code(), pictures_[index].string(), ": ", error.what());
    }
    times.reference_ms = watch.lap_ms();
    waiting_.push_back({index, times});
  }

  [[nodiscard]] bool is_full() const { return waiting_.size() == size_; }

  void run() {
    const std::size_t count = waiting_.size();
    if (count == 0) return;
    Stopwatch watch;
    model_.run(count);
    const double model_ms = watch.lap_ms() / static_cast<double>(count);
    if (reference_) reference_->run(count);
    const double reference_ms = watch.lap_ms() / static_cast<double>(count);
    for (std::size_t i = 0; i < count; ++i) {
      Waiting& picture = waiting_[i];
      const std::filesystem::path& path = pictures_[picture.index];
      picture.times.model_ms = model_ms;
      picture.times.reference_ms += reference_ms;
      events_.on_result(picture.index, picture.times, model_.answer(i, path),
                        reference_ ? reference_->answer(i, path) : std::span<const float>());
    }
    waiting_.clear();
  }

 private:
  struct Waiting {
    std::size_t index;
    PictureTimes times;
  };

  Lane model_;
  std::optional<Lane> reference_;
  std::span<const std::filesystem::path> pictures_;
  const DecodeOptions& decoding_;
  const InferenceEvents& events_;
  std::size_t size_;
  std::vector<Waiting> waiting_;
};

// The crop is made here, where its time is taken: the session shall find nothing left to resize.
Preprocessing without_resize(Preprocessing how) {
  how.resize = 0;
  return how;
}

}  // namespace

Contestant::Contestant(std::shared_ptr<const Model> model, int threads, const Preprocessing& how)
    : session(std::move(model), {.threads = threads, .preprocessing = without_resize(how)}), preprocessing(how) {}

void infer(Contestant& contestant, Contestant* reference, std::span<const std::filesystem::path> pictures,
           const DecodeOptions& decoding, int batch, const InferenceEvents& events) {
  if (pictures.empty()) return;
  Batch waiting(contestant, reference, pictures, decoding, std::min(static_cast<std::size_t>(batch), pictures.size()),
                events);
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    try {
      waiting.add(i);
    } catch (const Error& error) {
      events.on_failure(i, error.what());
    }
    if (waiting.is_full()) waiting.run();
  }
  waiting.run();
}

}  // namespace vitq
