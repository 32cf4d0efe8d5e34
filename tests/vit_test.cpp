#include <doctest/doctest.h>

#include <cmath>

#include "tests/random.h"
#include "tests/reference_model.h"
#include "tests/sessions.h"
#include "tests/small_models.h"

using namespace vitq;

TEST_CASE("vit: every depth, width, patch, size and number of classes equals the scalar reference") {
  for (const ModelConfig& config : {test::small_vit(false), test::small_vit(true), test::odd_vit()}) {
    const Checkpoint checkpoint = Checkpoint::seeded(expected_tensors(config), 3);
    Session session = test::make_session(checkpoint, test::describe_config(config), {.threads = 1});
    const auto image = test::random_floats(test::picture_size(session), 5, -2, 2);
    std::vector<float> logits(config.classes);
    session.run(image, 1, {.logits = logits});
    const auto expected = test::reference_logits(config, checkpoint, image);
    for (std::size_t i = 0; i < logits.size(); ++i) CHECK(std::fabs(logits[i] - expected[i]) < 1e-4);
  }
}

TEST_CASE("vit: a picture's logits are the same bits alone, in any batch, and with any number of threads") {
  test::check_batches(test::small_vit(true));
}
