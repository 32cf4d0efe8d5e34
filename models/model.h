#pragma once
// What a forward pass looks like from outside, and the one place that knows which architectures there are.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "engine/gemm/matmul.h"
#include "engine/tensor.h"
#include "models/calibrator.h"
#include "models/config.h"
#include "weights/checkpoint.h"

namespace vitq {

/// Sees what flows by: called with the canonical name of a block ("blocks.3", "layers.2.blocks.5") or "norm", and its
/// output [batch * tokens, dim], valid during the call.
using Tap = std::function<void(const std::string& name, const Tensor& value)>;

class Model {
 public:
  virtual ~Model() = default;
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  /// images: [batch, 3, size, size], normalised; logits: [batch, classes]. Buffers are planned when a batch is larger
  /// than any before it; after that nothing is allocated. Not for use from two threads at once.
  virtual void forward(std::span<const float> images, std::int64_t batch, std::span<float> logits) = 0;

  [[nodiscard]] const ModelConfig& config() const { return config_; }
  void set_tap(Tap tap) { tap_ = std::move(tap); }
  /// The next forward passes calibrate (models/calibrator.h); null: they do not. Not owned.
  void set_calibrator(Calibrator* calibrator) { calibrator_ = calibrator; }

 protected:
  /// The clock is that of the context that the layers are in.
  Model(ModelConfig config, StepClock& clock) : config_(std::move(config)), clock_(&clock) {}
  [[nodiscard]] StepClock& clock() const { return *clock_; }
  [[nodiscard]] Calibrator* calibrator() const { return calibrator_; }
  void show(const std::string& name, const Tensor& value) const {
    if (tap_) tap_(name, value);
  }

 private:
  ModelConfig config_;
  StepClock* clock_;
  Tap tap_;
  Calibrator* calibrator_ = nullptr;
};

/// Builds the forward pass of `config` with the weights of `checkpoint`, which may be closed afterwards. `context` must
/// outlive the model. The tensors must have been checked (Checkpoint::require with expected_tensors).
std::unique_ptr<Model> make_model(MatmulContext& context, const ModelConfig& config, const Checkpoint& checkpoint);

}  // namespace vitq
