#include "quant/site_inputs.h"

#include <doctest/doctest.h>

#include <set>
#include <string>
#include <vector>

#include "models/network.h"
#include "quant/walk.h"
#include "tests/random.h"
#include "tests/small_models.h"

using namespace vitq;

namespace {

constexpr std::int64_t kPictures = 19;  // three chunks, the last a part
constexpr std::int64_t kAll = std::int64_t{1} << 40;

std::vector<float> values_of(const Tensor& rows) { return {rows.f32(), rows.f32() + rows.rows() * rows.columns()}; }

}  // namespace

TEST_CASE("site inputs: what is sampled and what is shown again are the rows of all pictures, at every site") {
  for (const ModelConfig& config : {test::small_vit(true), test::small_swin(), test::small_swin_v2()}) {
    const auto images = test::random_floats(kPictures * 3 * config.image_size.pixels(), 7, -2, 2);
    const Network network = make_network(config, Checkpoint::seeded(expected_tensors(config), 3));
    Workspace workspace;
    std::set<std::string> done;
    const auto is_done = [&](const std::string& site) { return done.contains(site); };
    Walk walk(network, workspace, images, kPictures);
    while (!walk.has_ended()) {
      SiteSample all(is_done, Walk::kChunk, kPictures, kAll);
      if (walk.run(all)) continue;
      CAPTURE(all.site());
      REQUIRE(all.is_everything());
      const std::vector<float> expected = values_of(all.rows());
      const std::int64_t columns = all.rows().columns();
      const std::int64_t rows = all.rows().rows();
      CHECK(rows == all.rows_per_picture() * kPictures);

      SiteSample few(is_done, Walk::kChunk, kPictures, std::ssize(expected) / 4);
      CHECK_FALSE(walk.run(few));
      const std::vector<float> taken = values_of(few.rows());
      CHECK(std::ssize(taken) <= std::ssize(expected) / 4);
      CHECK(std::ssize(taken) >= std::ssize(expected) / 8);
      const std::int64_t step = (rows + std::ssize(taken) / columns - 1) / (std::ssize(taken) / columns);
      std::set<std::int64_t> places;
      for (std::int64_t i = 0; i < std::ssize(taken) / columns; ++i) {
        places.insert(i * step % few.rows_per_picture());
        CHECK(std::equal(&taken[i * columns], &taken[i * columns] + columns, &expected[i * step * columns]));
      }
      // Every place of a picture is met, as far as there are rows enough.
      CHECK(std::ssize(places) == std::min(few.rows_per_picture(), std::ssize(taken) / columns));

      const AttentionInputs attention = few.attention_inputs();
      for (std::size_t g = 0; g < attention.numbers.size(); ++g) {
        const std::int64_t group = attention.shape.tokens * columns;
        CHECK(std::equal(attention.groups.f32() + g * group, attention.groups.f32() + (g + 1) * group,
                         &expected[attention.numbers[g] * group]));
      }
      if (attention.numbers.empty()) {
        std::vector<float> shown;
        const std::function<void(const Tensor&)> use = [&](const Tensor& part) {
          shown.insert(shown.end(), part.f32(), part.f32() + part.rows() * part.columns());
        };
        SiteReplay replay(few.site(), use);
        CHECK_FALSE(walk.run(replay));
        CHECK(shown == expected);
      } else {
        CHECK(attention.numbers.size() > 1);
      }
      done.insert(all.site());
    }
    CHECK(done.size() > 8);
  }
}
