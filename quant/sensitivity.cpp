#include "quant/sensitivity.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "engine/error.h"
#include "models/network.h"
#include "quant/weights.h"

namespace vitq {

namespace {

constexpr int kMeasuredBits = 4;

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
  check(description.config.classes > 0, ErrorCode::kUnsupported, checkpoint.source(),
        ": has no head, by whose answers its layers could be weighed");
  Workspace workspace;
  Network network = make_network(description.config, checkpoint);
  std::map<std::string, Linear*> linears;
  network.visit_sites([&](const SiteRef& site) {
    if (site.linear != nullptr) linears[site.name] = site.linear;
  });
  std::vector<float> expected(count * description.config.classes);
  std::vector<float> found(expected.size());
  network.forward(workspace, images, count, expected);
  std::vector<LayerCost> costs;
  for (const std::string& layer : layers) {
    const auto weight = checkpoint.f32(layer + ".weight");
    const auto bias = checkpoint.f32_if_there(layer + ".bias");
    LayerCost cost{.layer = layer, .outputs = checkpoint.shape(layer + ".weight").front()};
    cost.inputs = std::ssize(weight) / cost.outputs;
    const RowCodes rounded = quantize_rows(weight, cost.outputs, kMeasuredBits);
    std::vector<float> values(weight.size());
    for (std::int64_t i = 0; i < std::ssize(values); ++i) {
      values[i] = static_cast<float>(rounded.codes[i]) * rounded.scales[i / cost.inputs];
    }
    Linear& in_model = *linears.at(layer);
    const Linear own = std::exchange(
        in_model, Linear(FloatLinear{.weight = values, .bias = bias, .outputs = cost.outputs, .inputs = cost.inputs}));
    network.forward(workspace, images, count, found);
    in_model = own;
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
