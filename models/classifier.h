#pragma once
// The facade that programs use: open a model, feed it pictures, read the best classes.
//
//   vitq::Classifier classifier = vitq::Classifier::open("deit_s.safetensors");
//   for (const auto& p : classifier.classify(vitq::load_image("cat.jpg"))) std::cout << p.name << ' ' << p.probability;

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/picture/image.h"
#include "engine/picture/resize.h"
#include "models/network.h"
#include "weights/checkpoint.h"

namespace vitq {

/// What a checkpoint is, as far as its shapes, metadata and file name tell.
struct ModelDescription {
  std::string name;  ///< a zoo name, or the metadata's, or the architecture's
  ModelConfig config;
  Preprocessing preprocessing;
  std::string preprocessing_source;  ///< where it comes from, for people: "metadata", "zoo row deit_t", "assumed"
  std::vector<std::string> class_names;
};

/// Recognises a checkpoint. With `insist`, a zoo name, the checkpoint must be that model. Throws Error, naming the
/// first missing, surplus or misshapen tensor, or the metadata that does not parse.
ModelDescription describe(const Checkpoint& checkpoint, const std::optional<std::string>& insist = std::nullopt);

/// The checkpoint of a zoo model without training: seeded weights (weights/seeded.h), for timing and tests.
Checkpoint seeded_checkpoint(const std::string& zoo_name, std::uint64_t seed = 0);

/// Metadata to store with a checkpoint so that describe() finds the same again without a guess.
std::map<std::string, std::string> metadata_of(const ModelDescription& description);

/// metadata_of the zoo model of that name.
std::map<std::string, std::string> zoo_metadata(const std::string& zoo_name);

/// Folder where models are looked for by name: $VITQ_HOME, else $XDG_CACHE_HOME/vitq, else ~/.cache/vitq.
std::filesystem::path model_home();

/// The file of `model`: itself where it is a path to something (it has a '/' or a '.', or exists), else
/// model_home()/model.safetensors. Throws Error, with what to do, where there is no such file or zoo row.
std::filesystem::path locate_model(const std::string& model);

struct Prediction {
  int index = 0;
  float probability = 0;
  std::string name;
};

struct ClassifierOptions {
  int threads = 0;    ///< 0: as many as CPUs this process may run on; never more than OpenMP grants (granted_threads)
  bool bf16 = false;  ///< multiply in bf16, with sums, residuals and row kernels in f32; of a float model only
};

/// A model ready to run. Movable. Each instance has its own buffers: several may be opened and run in several threads
/// at once, with the same results as alone; one may not be used from two threads at once.
class Classifier {
 public:
  /// Opens a zoo name or a file (locate_model, describe).
  static Classifier open(const std::string& model, const ClassifierOptions& options = {});
  /// Packs the weights; `checkpoint` may be closed afterwards. Throws Error where bf16 is asked for and the checkpoint
  /// is an artifact or the CPU has none (engine/gemm/onednn.h, has_bf16).
  Classifier(const Checkpoint& checkpoint, ModelDescription description, const ClassifierOptions& options = {});

  [[nodiscard]] const ModelDescription& description() const { return description_; }
  [[nodiscard]] const ModelConfig& config() const { return description_.config; }
  [[nodiscard]] Preprocessing& preprocessing() { return description_.preprocessing; }
  [[nodiscard]] int threads() const { return threads_; }
  /// Floats of one normalised picture, 3 size^2.
  [[nodiscard]] std::int64_t picture_size() const;

  /// images: [batch, 3, size, size], normalised (preprocess); logits: [batch, classes]. Throws Error where sizes
  /// differ, and inside a parallel region of OpenMP that grants fewer threads than the model was opened for.
  void logits(std::span<const float> images, std::int64_t batch, std::span<float> logits);

  /// The same, with the time that each step of it took.
  StepClock::Totals profile(std::span<const float> images, std::int64_t batch, std::span<float> logits);

  /// The `k` (at most all) most probable classes of one row of logits, best first; ties by index.
  [[nodiscard]] std::vector<Prediction> top_k(std::span<const float> logits, int k) const;

  /// preprocess, logits and top_k for one picture.
  std::vector<Prediction> classify(const Image& image, int k = 5);

  [[nodiscard]] const Network& network() const { return network_; }
  [[nodiscard]] Workspace& workspace() { return workspace_; }

 private:
  ModelDescription description_;
  int threads_;
  Network network_;
  Workspace workspace_;
};

}  // namespace vitq
