#include "cli/inference.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <limits>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "cli/args.h"
#include "cli/in_order.h"
#include "cli/side_by_side.h"
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

/// What a stream makes of a batch. Answers lie one behind the other, of readable pictures alone.
struct Batch {
  std::size_t first = 0;  ///< of the list
  std::vector<Prepared> pictures;
  std::vector<float> answers;
  std::vector<float> reference_answers;
};

/// What is the same for all streams.
struct Task {
  std::span<const std::filesystem::path> pictures;
  const InferenceOptions& options;
  std::size_t batch;

  [[nodiscard]] std::size_t batches() const { return (pictures.size() + batch - 1) / batch; }
};

/// A model, or two, that take batch after batch.
class Stream {
 public:
  Stream(const Task& task, Contestant& contestant, Contestant* reference, int readers)
      : task_(task), contestant_(contestant), reference_(reference), readers_(readers) {}

  [[nodiscard]] Batch computed(std::size_t index) const {
    Batch batch = prepared_from(index * task_.batch);
    std::vector<ImageView> crops;
    std::vector<ImageView> reference_crops;
    for (const Prepared& picture : batch.pictures) {
      if (!picture.failure.empty()) continue;
      crops.emplace_back(picture.crop);
      if (reference_ != nullptr) reference_crops.emplace_back(picture.reference_crop);
    }
    if (crops.empty()) return batch;
    const auto count = static_cast<double>(crops.size());
    Stopwatch watch;
    batch.answers = answers_of(contestant_, crops);
    const double model_ms = watch.lap_ms() / count;
    if (reference_ != nullptr) batch.reference_answers = answers_of(*reference_, reference_crops);
    const double reference_ms = watch.lap_ms() / count;
    for (Prepared& picture : batch.pictures) {
      picture.times.model_ms = model_ms;
      picture.times.reference_ms += reference_ms;
    }
    return batch;
  }

 private:
  /// The batch that begins at picture `first`. Each reader takes the next picture that nobody has.
  [[nodiscard]] Batch prepared_from(std::size_t first) const {
    const Preprocessing* other = reference_ != nullptr ? &reference_->preprocessing : nullptr;
    const auto paths = task_.pictures.subspan(first, std::min(task_.batch, task_.pictures.size() - first));
    Batch batch{
        .first = first, .pictures = std::vector<Prepared>(paths.size()), .answers = {}, .reference_answers = {}};
    std::atomic<std::size_t> next{0};
    const ThreadScope scope(readers_);
    parallel_for(readers_, 1, [&](std::int64_t, std::int64_t) {
      for (std::size_t i = next++; i < paths.size(); i = next++) {
        batch.pictures[i] = prepare(paths[i], task_.options.decoding, contestant_.preprocessing, other);
      }
    });
    return batch;
  }

  [[nodiscard]] std::vector<float> answers_of(Contestant& contestant, std::span<const ImageView> crops) const {
    std::vector<float> answers(crops.size() * size_of(task_.options.answer, *contestant.model));
    contestant.session.run(crops, outputs_of(task_.options.answer, answers));
    return answers;
  }

  const Task& task_;
  Contestant& contestant_;
  Contestant* reference_;
  int readers_;
};

/// As many streams as are asked for, with the threads of one session divided among them.
class Streams {
 public:
  Streams(const Task& task, Contestant& contestant, Contestant* reference, int count) {
    if (count == 1) {
      streams_.emplace_back(task, contestant, reference, task.options.readers);
      return;
    }
    contestants_.reserve(2 * static_cast<std::size_t>(count));  // streams keep references to them
    for (int i = 0; i < count; ++i) {
      const int threads = share_of(contestant.session.threads(), count, i);
      const auto another = [&](const Contestant& of) -> Contestant& {
        return contestants_.emplace_back(of.model, threads, of.preprocessing);
      };
      Contestant& own = another(contestant);
      streams_.emplace_back(task, own, reference != nullptr ? &another(*reference) : nullptr, threads);
    }
  }

  [[nodiscard]] std::span<const Stream> all() const { return streams_; }

 private:
  std::vector<Contestant> contestants_;
  std::vector<Stream> streams_;
};

class Inference {
 public:
  Inference(Contestant& contestant, Contestant* reference, const Task& task, const InferenceEvents& events)
      : contestant_(contestant), reference_(reference), task_(task), events_(events) {}

  int run() {
    if (task_.options.streams > 0) {
      compute(Streams(task_, contestant_, reference_, task_.options.streams), task_.batches());
      return task_.options.streams;
    }
    const int many = contestant_.session.threads();
    const Streams wide(task_, contestant_, reference_, 1);
    if (many == 1 || task_.batches() < kTrials * kWorthIt * (1 + static_cast<std::size_t>(many))) {
      compute(wide, task_.batches());
      return 1;
    }
    const Streams narrow(task_, contestant_, reference_, many);
    const double wide_seconds = seconds_of_batch(wide);
    const bool is_narrow_faster = seconds_of_batch(narrow) < wide_seconds;
    compute(is_narrow_faster ? narrow : wide, task_.batches());
    return is_narrow_faster ? many : 1;
  }

 private:
  static constexpr std::size_t kTrials = 3;   // of each kind; the first makes buffers and primitives
  static constexpr std::size_t kWorthIt = 4;  // times what the trials take

  /// The least of some trials, each of a batch for every stream: they are the list's own.
  double seconds_of_batch(const Streams& streams) {
    const std::size_t count = streams.all().size();
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t trial = 0; trial < kTrials; ++trial) {
      Stopwatch watch;
      compute(streams, done_ + count);
      if (trial > 0) least = std::min(least, watch.lap_ms() / static_cast<double>(count));
    }
    return least;
  }

  /// The batches from where it stands up to `end`.
  void compute(const Streams& streams, std::size_t end) {
    if (streams.all().size() == 1) {
      for (; done_ < end; ++done_) deliver(streams.all().front().computed(done_), 1);
      return;
    }
    const std::size_t count = streams.all().size();
    InOrder<Batch> queue(done_, end, 2 * count);
    std::vector<std::jthread> threads;
    struct End {
      InOrder<Batch>& queue;
      ~End() { queue.end(); }
    } const end_of_queue{queue};
    for (const Stream& stream : streams.all()) {
      threads.emplace_back([&queue, &stream] {
        while (const auto index = queue.next()) queue.put(*index, [&] { return stream.computed(*index); });
      });
    }
    for (; done_ < end; ++done_) deliver(queue.take(), static_cast<double>(count));
  }

  void deliver(Batch batch, double streams) const {
    std::size_t slot = 0;
    for (std::size_t i = 0; i < batch.pictures.size(); ++i) {
      Prepared& picture = batch.pictures[i];
      const std::size_t index = batch.first + i;
      if (!picture.failure.empty()) {
        events_.on_failure(index, picture.failure);
        continue;
      }
      const std::size_t row = slot++;
      if (picture.reduction != 1) {
        try {
          events_.on_reduced(index, picture.reduction);
        } catch (const Error& error) {
          events_.on_failure(index, error.what());
          continue;
        }
      }
      picture.times.reference_ms /= streams;
      events_.on_result(
          index, picture.times, answer(batch.answers, contestant_, row, index),
          reference_ != nullptr ? answer(batch.reference_answers, *reference_, row, index) : std::span<const float>());
    }
    events_.on_batch(batch.pictures.size());
  }

  /// Row `row` of a batch's answers: that to picture `index`.
  [[nodiscard]] std::span<const float> answer(std::span<const float> answers, const Contestant& of, std::size_t row,
                                              std::size_t index) const {
    const std::size_t size = size_of(task_.options.answer, *of.model);
    const std::span<const float> one = answers.subspan(row * size, size);
    check_finite(one, task_.pictures[index]);
    return one;
  }

  Contestant& contestant_;
  Contestant* reference_;
  const Task& task_;
  const InferenceEvents& events_;
  std::size_t done_ = 0;  // batches
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

Contestant::Contestant(std::shared_ptr<const Model> of, int threads, const Preprocessing& how)
    : model(std::move(of)),
      session(model, {.threads = threads, .preprocessing = without_resize(how)}),
      preprocessing(how) {}

int infer(Contestant& contestant, Contestant* reference, std::span<const std::filesystem::path> pictures,
          const InferenceOptions& options, const InferenceEvents& events) {
  if (pictures.empty()) return 1;
  if (options.streams > contestant.session.threads()) {
    throw UsageError("--streams " + std::to_string(options.streams) + ": expected at most " +
                     std::to_string(contestant.session.threads()) + ", the threads that compute (--threads)");
  }
  const Task task{pictures, options, std::min(static_cast<std::size_t>(options.batch), pictures.size())};
  return Inference(contestant, reference, task, events).run();
}

}  // namespace vitq
