// Whole models in bf16: against their f32 form, and against themselves.

#include <doctest/doctest.h>

#include <cmath>

#include "engine/error.h"
#include "tests/bf16.h"
#include "tests/small_artifact.h"
#include "tests/small_models.h"

using namespace vitq;

namespace {

double sqnr(const std::vector<float>& reference, const std::vector<float>& actual) {
  double signal = 0;
  double noise = 1e-30;
  for (std::size_t i = 0; i < reference.size(); ++i) {
    signal += double{reference[i]} * reference[i];
    noise += (double{actual[i]} - reference[i]) * (double{actual[i]} - reference[i]);
  }
  return 10 * std::log10(signal / noise);
}

// The logits of six random pictures.
std::vector<float> logits(const Checkpoint& checkpoint, const ModelConfig& config, bool bf16) {
  constexpr std::int64_t kPictures = 6;
  Session session = test::make_session(checkpoint, test::describe_config(config), {.threads = 1, .bf16 = bf16});
  const auto images = test::random_floats(kPictures * test::picture_size(session), 7, -2, 2);
  std::vector<float> result(kPictures * config.classes);
  session.run(images, kPictures, {.logits = result});
  return result;
}

}  // namespace

TEST_CASE("bf16: the logits of every architecture are close to those in f32") {
  if (test::skips_without_bf16()) return;
  for (const ModelConfig& config :
       {test::small_vit(false), test::small_vit(true), test::odd_vit(), test::small_swin(), test::small_swin_v2()}) {
    const Checkpoint checkpoint = test::calm_checkpoint(config, 3);
    const double db = sqnr(logits(checkpoint, config, false), logits(checkpoint, config, true));
    MESSAGE("SQNR of the logits in dB: ", db);
    // Measured: 41.4 to 44.7. Swin V2 has run on no CPU with bf16 yet: its weights alone, rounded, leave 46.6 (Swin's
    // 43.9), but its scores are several times as steep.
    const bool is_measured = !config.stages().front().cosine;
    CHECK(db > (is_measured ? 38 : 25));
    CHECK(db < 70);  // it did run in bf16
  }
}

TEST_CASE("bf16: a picture's logits are the same bits alone, in any batch, and with any number of threads") {
  if (test::skips_without_bf16()) return;
  for (const ModelConfig& config :
       {test::small_vit(true), test::odd_vit(), test::small_swin(), test::small_swin_v2()}) {
    test::check_batches(config, true);
  }
}

TEST_CASE("bf16 of an artifact is refused") {
  if (test::skips_without_bf16()) return;
  const Checkpoint artifact = test::small_artifact().checkpoint();
  CHECK_THROWS_WITH_AS(make_model(artifact, test::describe_config(test::small_vit(false)), {.bf16 = true}),
                       doctest::Contains("is an artifact, which runs on integers, expected a float32 model (bf16)"),
                       Error);
}
