#pragma once
// Models small enough for scalar references, and what is asked of every architecture alike.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include "engine/gemm/onednn.h"
#include "tests/random.h"
#include "tests/sessions.h"

namespace vitq::test {

inline ModelConfig small_vit(bool distilled) {
  ModelConfig config;
  config.image_size = 32;
  config.patch = 8;
  config.classes = 10;
  config.body =
      VitConfig{.blocks = {.depth = 2, .dim = 64, .heads = 2, .hidden = 128}, .distillation_token = distilled};
  return config;
}

// Nothing in it is a multiple of anything convenient.
inline ModelConfig odd_vit() {
  ModelConfig config;
  config.image_size = 35;
  config.patch = 5;
  config.classes = 7;
  config.body = VitConfig{.blocks = {.depth = 3, .dim = 51, .heads = 3, .hidden = 75}};
  return config;
}

inline ModelConfig small_swin() {
  ModelConfig config;
  config.image_size = 48;
  config.patch = 4;
  config.classes = 10;
  config.eps = 1e-5F;
  config.body = SwinConfig{.window = 3,
                           .stages = {{.depth = 2, .dim = 32, .heads = 2, .hidden = 64},
                                      {.depth = 2, .dim = 64, .heads = 4, .hidden = 128},
                                      {.depth = 2, .dim = 128, .heads = 8, .hidden = 256}}};
  return config;
}

// Windows that are shifted, one that fills its stage, and one that is cut to it.
inline ModelConfig small_swin_v2() {
  ModelConfig config = small_swin();
  config.swin().window = 6;
  config.swin().trained_windows = {4, 0, 2};
  for (Stage& stage : config.swin().stages) stage.cosine = stage.norms_behind = true;
  return config;
}

/// Seeded weights whose roundings can be measured. Swin V2's seeded factors of cosines reach 100, and whatever comes
/// before multiplies with them: an error of -32 dB behind the patch embedding, all else in floats, is one of -12.5 dB
/// in the logits of small_swin_v2(). Here they are 5, where training begins with 10.
inline Checkpoint calm_checkpoint(const ModelConfig& config, std::uint64_t seed) {
  Checkpoint seeded = Checkpoint::seeded(expected_tensors(config), seed);
  if (!config.stages().front().cosine) return seeded;
  constexpr float kFactor = 1.609438F;  // ln 5
  std::vector<std::shared_ptr<const MemoryTensor>> tensors;
  for (const std::string& name : seeded.names()) {
    const auto stored = seeded.f32(name);
    std::vector<float> values(stored.begin(), stored.end());
    if (name.ends_with("logit_scale")) std::ranges::fill(values, kFactor);
    std::vector<std::uint8_t> bytes(values.size() * sizeof(float));
    std::memcpy(bytes.data(), values.data(), bytes.size());
    tensors.push_back(
        std::make_shared<const MemoryTensor>(name, FileDType::kF32, seeded.shape(name), std::move(bytes)));
  }
  return Checkpoint::in_memory(std::move(tensors), {}, "calm weights");
}

inline ModelDescription describe_config(const ModelConfig& config) {
  ModelDescription description;
  description.name = "test";
  description.config = config;
  description.preprocessing.image_size = config.image_size;
  description.preprocessing.resize = config.image_size;
  for (std::int64_t i = 0; i < config.classes; ++i) description.class_names.push_back("class " + std::to_string(i));
  return description;
}

/// The logits of five pictures must be the same bits (engine/gemm/onednn.h, f32_rows_are_independent) one by one, as 5,
/// as 2
/// + 3 (buffers shrink and grow), and with one and two threads.
inline void check_batches(const ModelConfig& config, bool bf16 = false) {
  const Checkpoint checkpoint = Checkpoint::seeded(expected_tensors(config), 1);
  constexpr std::int64_t kPictures = 5;
  std::vector<float> expected;
  for (const int threads : {1, 2}) {
    Session session = test::make_session(checkpoint, describe_config(config), {.threads = threads, .bf16 = bf16});
    const std::int64_t size = test::picture_size(session);
    const auto images = random_floats(kPictures * size, 9, -2, 2);
    for (const std::vector<std::int64_t>& split :
         {std::vector<std::int64_t>{1, 1, 1, 1, 1}, std::vector<std::int64_t>{5}, std::vector<std::int64_t>{2, 3}}) {
      std::vector<float> logits(kPictures * config.classes);
      std::int64_t first = 0;
      for (const std::int64_t batch : split) {
        session.run(std::span(images).subspan(first * size, batch * size), batch,
                    {.logits = std::span(logits).subspan(first * config.classes, batch * config.classes)});
        first += batch;
      }
      if (expected.empty()) expected = logits;
      double worst = 0;
      for (std::size_t i = 0; i < logits.size(); ++i) {
        worst = std::max(worst, std::fabs(double{logits[i]} - expected[i]) / std::max(1.0F, std::fabs(expected[i])));
      }
      CHECK(worst <= (f32_rows_are_independent() ? 0 : 1e-5));
    }
    // The pictures differ, so their logits must.
    CHECK_FALSE(std::equal(expected.begin(), expected.begin() + config.classes, expected.begin() + config.classes));
  }
}

}  // namespace vitq::test
