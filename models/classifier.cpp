#include "models/classifier.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "engine/error.h"
#include "engine/threads.h"
#include "models/zoo.h"
#include "weights/artifact.h"

namespace vitq {

Classifier Classifier::open(const std::string& model, const ClassifierOptions& options) {
  const Checkpoint checkpoint = Checkpoint::open(locate_model(model));
  const bool by_name = find_in_zoo(model) != nullptr;
  Classifier classifier(checkpoint, describe(checkpoint, by_name ? std::optional(model) : std::nullopt), options);
  return classifier;
}

namespace {

Network pack(const Checkpoint& checkpoint, const ModelDescription& description, const ClassifierOptions& options,
             int threads) {
  check(options.threads >= 0, "threads is ", options.threads, ", expected a positive number");
  check(!options.bf16 || !is_artifact(checkpoint), checkpoint.source(),
        ": is an artifact, which runs on integers, expected a float32 model (bf16)");
  const ThreadScope scope(threads);
  Network network = make_network(description.config, checkpoint, {.floats = options.bf16 ? DType::kBF16 : DType::kF32});
  checkpoint.release_pages();
  return network;
}

}  // namespace

Classifier::Classifier(const Checkpoint& checkpoint, ModelDescription description, const ClassifierOptions& options)
    : description_(std::move(description)),
      threads_(granted_threads(options.threads > 0 ? options.threads : available_threads())),
      network_(pack(checkpoint, description_, options, threads_)) {}

std::int64_t Classifier::picture_size() const {
  return ModelConfig::kChannels * config().image_size * config().image_size;
}

void Classifier::logits(std::span<const float> images, std::int64_t batch, std::span<float> logits) {
  check(batch > 0, "batch is ", batch, ", expected a positive number");
  check(std::ssize(images) == batch * picture_size(), "images have ", images.size(), " values, expected ", batch,
        " pictures of ", picture_size());
  check(std::ssize(logits) == batch * config().classes, "logits have room for ", logits.size(), " values, expected ",
        batch * config().classes);
  const int granted = granted_threads(threads_);
  check(granted == threads_, "the model was opened for ", threads_, " threads, but OpenMP grants ", granted,
        " here; open it with that many, or run it outside of the parallel region");
  const ThreadScope scope(threads_);
  network_.forward(workspace_, images, batch, logits);
}

StepClock::Totals Classifier::profile(std::span<const float> images, std::int64_t batch, std::span<float> logits) {
  workspace_.clock().start();
  this->logits(images, batch, logits);
  return workspace_.clock().stop();
}

std::vector<Prediction> Classifier::top_k(std::span<const float> logits, int k) const {
  check(std::ssize(logits) == config().classes, "top_k: ", logits.size(), " logits, expected ", config().classes);
  std::vector<int> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const auto count = std::min<std::ptrdiff_t>(std::max(k, 0), std::ssize(order));
  std::partial_sort(order.begin(), order.begin() + count, order.end(),
                    [&](int a, int b) { return logits[a] != logits[b] ? logits[a] > logits[b] : a < b; });
  const float most = *std::ranges::max_element(logits);
  double total = 0;
  for (const float logit : logits) total += std::exp(double{logit} - most);
  std::vector<Prediction> best;
  for (const int index : std::span(order).first(count)) {
    best.push_back({.index = index,
                    .probability = static_cast<float>(std::exp(double{logits[index]} - most) / total),
                    .name = description_.class_names[index]});
  }
  return best;
}

std::vector<Prediction> Classifier::classify(const Image& image, int k) {
  std::vector<float> pixels(picture_size());
  std::vector<float> result(config().classes);
  preprocess(image, preprocessing(), pixels);
  logits(pixels, 1, result);
  return top_k(result, k);
}

}  // namespace vitq
