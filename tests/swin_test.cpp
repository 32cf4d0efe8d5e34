#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "engine/kernels/softmax.h"
#include "engine/layers/windows.h"
#include "tests/random.h"
#include "tests/reference_model.h"
#include "tests/small_models.h"

using namespace vitq;

TEST_CASE("swin equals the scalar reference, shifted windows and merging included, of either version") {
  for (const ModelConfig& config : {test::small_swin(), test::small_swin_v2()}) {
    const Checkpoint checkpoint = Checkpoint::seeded(expected_tensors(config), 3);
    Session session = test::make_session(checkpoint, test::describe_config(config), {.threads = 2});
    const auto image = test::random_floats(test::picture_size(session), 5, -2, 2);
    std::vector<float> logits(config.classes);
    session.run(image, 1, {.logits = logits});
    const auto expected = test::reference_logits(config, checkpoint, image);
    for (std::size_t i = 0; i < logits.size(); ++i) CHECK(std::fabs(logits[i] - expected[i]) < 1e-4);
  }
}

TEST_CASE("swin: a picture's logits are the same bits alone, in any batch, and with any number of threads") {
  test::check_batches(test::small_swin());
  test::check_batches(test::small_swin_v2());
}

TEST_CASE("the relative position index is the published one") {
  // A table whose entry is its own row number turns the bias into the index.
  std::vector<float> table(169);
  for (int i = 0; i < 169; ++i) table[i] = static_cast<float>(i);
  const auto bias = relative_bias(table, 7, 1);
  const std::int64_t stride = padded_columns(49);
  CHECK(bias[0] == 84);
  CHECK(bias[48] == 0);
  CHECK(bias[48 * stride] == 168);
  CHECK(bias[48 * stride + 48] == 84);
}

TEST_CASE("window order is a permutation, and the roll moves it by the shift") {
  auto order = window_order(14, 7, 3);
  CHECK(order[0] == 3 * 14 + 3);
  CHECK(order.back() == 2 * 14 + 2);
  std::ranges::sort(order);
  for (std::int32_t i = 0; i < 14 * 14; ++i) CHECK(order[i] == i);
  CHECK(window_order(14, 7, 0)[49] == 7);
}

TEST_CASE("the shift mask forbids only the last windows, symmetrically") {
  const auto mask = shift_mask(14, 7, 3);
  const std::int64_t stride = padded_columns(49);
  const auto at = [&](std::int64_t w, std::int64_t i, std::int64_t j) { return mask[(w * 49 + i) * stride + j]; };
  for (std::int64_t i = 0; i < 49; ++i) {
    for (std::int64_t j = 0; j < 49; ++j) {
      CHECK(at(0, i, j) == 0.0F);
      CHECK(at(3, i, j) == at(3, j, i));
    }
  }
  CHECK(at(1, 0, 6) == -100.0F);  // the last column wrapped around
  CHECK(at(1, 0, 3) == 0.0F);
  CHECK(at(2, 0, 48) == -100.0F);
}
