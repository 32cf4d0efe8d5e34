#include "quant/sensitivity.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "engine/error.h"
#include "models/model.h"
#include "quant/weights.h"

namespace vitq {

namespace {

constexpr int kMeasuredBits = 4;

// Lets the pass run with one layer in another's place, and puts the first back when the pass comes by again.
class OneReplaced final : public Calibrator {
 public:
  void norm(const std::string& /*norm_name*/, const std::string& layer_name, const Tensor& /*normed*/, Norm& /*norm*/,
            Linear& layer) override {
    visit(layer_name, layer);
  }
  void linear(const std::string& layer_name, const Tensor& /*src*/, Linear& layer) override {
    visit(layer_name, layer);
  }
  void attention(const std::string& /*name*/, const Tensor& /*qkv*/, std::int64_t /*heads*/,
                 const AttentionShape& /*shape*/, AttentionCodes& /*codes*/) override {}

  // From the next pass on, which must come by `name` and, if there was one, the layer replaced before.
  void replace(const std::string& name, Linear layer) { before_ = std::exchange(now_, {name, std::move(layer)}); }

 private:
  struct Exchange {
    std::string name;
    std::optional<Linear> layer;  // what is not in the model: first the new layer, then the model's own
  };

  void visit(const std::string& name, Linear& layer) {
    for (Exchange* exchange : {&before_, &now_}) {
      if (exchange->name == name && exchange->layer) std::swap(layer, *exchange->layer);
    }
    if (name == before_.name) before_ = {};
  }

  Exchange before_;
  Exchange now_;
};

std::vector<double> log_probabilities(std::span<const float> logits) {
  const double most = *std::ranges::max_element(logits);
  double total = 0;
  for (const float logit : logits) total += std::exp(logit - most);
  std::vector<double> result;
  for (const float logit : logits) result.push_back(logit - most - std::log(total));
  return result;
}

double mean_kl(std::span<const float> expected, std::span<const float> found, std::int64_t count) {
  const std::size_t classes = expected.size() / count;
  double total = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto p = log_probabilities(expected.subspan(i * classes, classes));
    const auto q = log_probabilities(found.subspan(i * classes, classes));
    for (std::size_t c = 0; c < classes; ++c) total += std::exp(p[c]) * (p[c] - q[c]);
  }
  return std::max(total / static_cast<double>(count), 0.0);
}

}  // namespace

std::vector<LayerCost> measure_sensitivity(const Checkpoint& checkpoint, const ModelDescription& description,
                                           std::span<const float> images, std::int64_t count,
                                           std::span<const std::string> layers,
                                           const std::function<void(const std::string&)>& advance) {
  check(count > 0, "sensitivity: no pictures");
  MatmulContext context;
  const auto model = make_model(context, description.config, checkpoint);
  std::vector<float> expected(count * description.config.classes);
  std::vector<float> found(expected.size());
  model->forward(images, count, expected);

  OneReplaced calibrator;
  model->set_calibrator(&calibrator);
  std::vector<LayerCost> costs;
  for (const std::string& layer : layers) {
    const auto weight = checkpoint.f32(layer + ".weight");
    const auto bias = checkpoint.contains(layer + ".bias") ? checkpoint.f32(layer + ".bias") : std::span<const float>();
    LayerCost cost{.layer = layer, .outputs = checkpoint.shape(layer + ".weight").front()};
    cost.inputs = std::ssize(weight) / cost.outputs;
    const RowCodes rounded = quantize_rows(weight, cost.outputs, kMeasuredBits);
    std::vector<float> values(weight.size());
    for (std::int64_t i = 0; i < std::ssize(values); ++i) {
      values[i] = static_cast<float>(rounded.codes[i]) * rounded.scales[i / cost.inputs];
    }
    calibrator.replace(layer, Linear(context, values, bias, cost.outputs, cost.inputs));
    model->forward(images, count, found);
    const double loss = mean_kl(expected, found, count);
    for (int bits = 3; bits <= 8; ++bits) {
      const double error = quantize_rows(weight, cost.outputs, bits).squared_error;
      cost.loss[bits] = loss * error / std::max(rounded.squared_error, 1e-300);
    }
    costs.push_back(std::move(cost));
    advance(layer);
  }
  return costs;
}

}  // namespace vitq
