#include "quant/bit_budget.h"

#include <doctest/doctest.h>

#include <cmath>

#include "engine/error.h"
#include "quant/sensitivity.h"
#include "quant/weights.h"
#include "tests/random.h"
#include "tests/sessions.h"
#include "tests/small_models.h"

using namespace vitq;

namespace {

LayerCost layer(const char* name, std::int64_t outputs, std::int64_t inputs, double loss_at_4) {
  LayerCost cost{.layer = name, .outputs = outputs, .inputs = inputs};
  for (int bits = 3; bits <= 8; ++bits) cost.loss[bits] = loss_at_4 * std::pow(4.0, 4 - bits);
  return cost;
}

}  // namespace

TEST_CASE("fit_bits: the widest common width, and one bit more for those that gain most for each byte") {
  const std::vector<LayerCost> layers = {layer("a", 10, 16, 1), layer("b", 10, 16, 3), layer("c", 40, 16, 4)};
  // 20, 20 and 80 bytes for each bit.
  CHECK(fit_bits(layers, 120 * 3, 8) == std::vector{3, 3, 3});
  CHECK(fit_bits(layers, 120 * 4 - 1, 8) == std::vector{4, 4, 3});  // b gains most, then a and c alike: the first
  CHECK(fit_bits(layers, 120 * 4, 8) == std::vector{4, 4, 4});
  CHECK(fit_bits(layers, 120 * 4 + 20, 8) == std::vector{4, 5, 4});
  CHECK(fit_bits(layers, 120 * 4 + 40, 8) == std::vector{5, 5, 4});
  CHECK(fit_bits(layers, 120 * 100, 8) == std::vector{8, 8, 8});
  CHECK(fit_bits(layers, 120 * 100, 5) == std::vector{5, 5, 5});
  CHECK(fit_bits({}, 0, 8).empty());
  CHECK_THROWS_AS(fit_bits(layers, 120 * 3 - 1, 8), Error);
  CHECK_THROWS_AS(fit_bits(layers, 1000, 2), Error);
  CHECK_THROWS_AS(fit_bits(layers, 1000, 9), Error);
}

TEST_CASE("measure_sensitivity: the KL of a model with one layer's weights rounded, one layer after the other") {
  for (const ModelConfig& config : {test::small_vit(true), test::small_swin(), test::small_swin_v2()}) {
    constexpr std::int64_t kPictures = 3;
    const Checkpoint checkpoint = Checkpoint::seeded(expected_tensors(config), 3);
    const ModelDescription description = test::describe_config(config);
    const auto images = test::random_floats(kPictures * 3 * config.image_size.pixels(), 7, -2, 2);
    const std::string last =
        config.architecture() == Architecture::kVit ? "blocks.1.mlp.fc2" : "layers.2.blocks.1.mlp.fc2";
    const std::string first =
        config.architecture() == Architecture::kVit ? "blocks.0.attn.qkv" : "layers.0.blocks.0.attn.qkv";
    std::vector<std::string> seen;
    const auto advance = [&](const std::string& name) { seen.push_back(name); };
    const std::vector<std::string> layers = {last, first, last};
    const auto costs = measure_sensitivity(checkpoint, description, images, kPictures, layers, advance);
    REQUIRE(costs.size() == 3);
    CHECK(seen == layers);
    // The model is put back each time: the same question has the same answer.
    CHECK(costs[0].loss == costs[2].loss);
    for (const LayerCost& cost : costs) {
      CHECK(cost.outputs * cost.inputs == std::ssize(checkpoint.f32(cost.layer + ".weight")));
      for (int bits = 4; bits <= 8; ++bits) CHECK(cost.loss[bits] < cost.loss[bits - 1]);
    }
    // Against a model that was built with the rounded weights.
    const auto weight = checkpoint.f32(last + ".weight");
    const RowCodes rounded = quantize_rows(weight, costs[0].outputs, 4);
    std::vector<std::shared_ptr<const MemoryTensor>> tensors;
    for (const TensorSpec& spec : expected_tensors(config)) {
      const auto values = checkpoint.f32(spec.name);
      std::vector<float> own(values.begin(), values.end());
      if (spec.name == last + ".weight") {
        for (std::size_t i = 0; i < own.size(); ++i) {
          own[i] = static_cast<float>(rounded.codes[i]) * rounded.scales[i / costs[0].inputs];
        }
      }
      const auto* bytes = reinterpret_cast<const std::uint8_t*>(own.data());
      tensors.push_back(
          std::make_shared<MemoryTensor>(spec.name, FileDType::kF32, spec.shape,
                                         std::vector<std::uint8_t>(bytes, bytes + own.size() * sizeof(float))));
    }
    const auto probabilities = [&](const Checkpoint& of) {
      Session session = test::make_session(of, description, {});
      std::vector<float> logits(kPictures * config.classes);
      session.run(images, kPictures, {.logits = logits});
      std::vector<double> result;
      for (std::int64_t i = 0; i < kPictures; ++i) {
        double total = 0;
        for (std::int64_t c = 0; c < config.classes; ++c) total += std::exp(double{logits[i * config.classes + c]});
        for (std::int64_t c = 0; c < config.classes; ++c) {
          result.push_back(std::exp(double{logits[i * config.classes + c]}) / total);
        }
      }
      return result;
    };
    const auto p = probabilities(checkpoint);
    const auto q = probabilities(Checkpoint::in_memory(tensors, {}, "rounded"));
    double kl = 0;
    for (std::size_t i = 0; i < p.size(); ++i) kl += p[i] * std::log(p[i] / q[i]) / kPictures;
    CHECK(costs[0].loss[4] == doctest::Approx(kl).epsilon(1e-3));
    CHECK(kl > 1e-6);
  }
}
