// The forward passes against timm + PyTorch, block by block, and the whole chain on photographs.

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <string>

#include "models/zoo.h"
#include "tests/bf16.h"
#include "tests/reference_values.h"
#include "tests/sessions.h"
#include "tests/shared_folder.h"
#include "weights/seeded.h"

using namespace vitq;
using test::largest_difference;
using test::values_of;

namespace {

constexpr double kTolerance = 5e-4;

std::optional<std::filesystem::path> golden() {
  const auto shared = test::shared_folder();
  if (!shared) {
    std::puts("SKIPPED: no ../shared folder with golden references");
    return std::nullopt;
  }
  return *shared / "golden";
}

// The stored rows of each block's output against what a pass shows.
class Comparison final : public Observer {
 public:
  Comparison(const SafetensorsFile& reference, std::string model) : reference_(reference), model_(std::move(model)) {}

  void output(const std::string& site, const Tensor& value) override {
    const auto expected = values_of(reference_, model_ + "/" + site);
    const std::int64_t dim = value.columns();
    const std::array rows{std::int64_t{0}, std::int64_t{1}, value.rows() / 2, value.rows() - 1};
    for (std::size_t i = 0; i < rows.size(); ++i) {
      worst = std::max(worst, largest_difference({value.row(rows[i]), static_cast<std::size_t>(dim)},
                                                 std::span(expected).subspan(i * dim, dim)));
    }
    ++seen;
  }

  double worst = 0;
  int seen = 0;

 private:
  const SafetensorsFile& reference_;
  std::string model_;
};

// Every stored block row and the logits of one seeded model.
void check_seeded_model(const std::string& name) {
  const auto folder = golden();
  if (!folder) return;
  const SafetensorsFile reference(*folder / "seeded_fp32.safetensors");
  const Checkpoint checkpoint = seeded_checkpoint(name);
  Session session = test::make_session(checkpoint, describe(checkpoint, name), {.threads = 2});
  std::vector<float> image(test::picture_size(session));
  fill_seeded_input(0, image);

  std::vector<float> logits(session.model().classes());
  Comparison comparison(reference, name);
  const Network& network = session.model().impl().network;
  network.forward(session.impl().workspace, image, 1, logits, &comparison);
  const double worst = comparison.worst;
  const int seen = comparison.seen;

  std::int64_t blocks = 0;
  for (const Stage& stage : network.config.stages()) blocks += stage.depth;
  CHECK(seen == blocks + 1);
  CHECK(worst < kTolerance);
  const double logit_difference = largest_difference(logits, values_of(reference, name + "/logits"));
  CHECK(logit_difference < kTolerance);
  std::printf("%s: largest difference in %d stored sites %.1e, in the logits %.1e\n", name.c_str(), seen, worst,
              logit_difference);
}

// deit_t on all photographs: how often top-1 agrees with the reference, and the largest difference of a logit.
struct Photographs {
  int count = 0;
  int agree = 0;
  double worst = 0;
};

Photographs run_photographs(const std::filesystem::path& folder, const ModelOptions& options) {
  const auto assets = folder.parent_path() / "assets";
  const SafetensorsFile reference(folder / "deit_t_photo_logits.safetensors");
  const auto expected = values_of(reference, "logits");
  Session session(Model::open((assets / "deit_t.safetensors").string(), options));

  // "files" is a JSON list of names in the order of the rows.
  std::string list = reference.metadata().at("files");
  Photographs result;
  for (std::size_t at = list.find('"'); at != std::string::npos; at = list.find('"', at)) {
    const std::size_t end = list.find('"', at + 1);
    const std::string file = list.substr(at + 1, end - at - 1);
    at = end + 1;
    const Image photograph = load_image(assets / "photos" / file);
    const ImageView view(photograph);
    const std::vector<float> logits = session.run(std::span(&view, 1)).logits;
    const std::span wanted = std::span(expected).subspan(std::size_t{1000} * result.count, 1000);
    result.agree +=
        std::ranges::max_element(logits) - logits.begin() == std::ranges::max_element(wanted) - wanted.begin();
    result.worst = std::max(result.worst, largest_difference(logits, wanted));
    ++result.count;
  }
  std::printf("%d photographs: top-1 agrees on %d, largest logit difference %.1e\n", result.count, result.agree,
              result.worst);
  return result;
}

}  // namespace

TEST_CASE("golden: vit_t blocks and logits") { check_seeded_model("vit_t"); }
TEST_CASE("golden: vit_s blocks and logits") { check_seeded_model("vit_s"); }
TEST_CASE("golden: vit_b blocks and logits") { check_seeded_model("vit_b"); }
TEST_CASE("golden: deit_t blocks and logits") { check_seeded_model("deit_t"); }
TEST_CASE("golden: deit_s blocks and logits") { check_seeded_model("deit_s"); }
TEST_CASE("golden: deit_b blocks and logits") { check_seeded_model("deit_b"); }
TEST_CASE("golden: deit_t_distilled blocks and logits") { check_seeded_model("deit_t_distilled"); }
TEST_CASE("golden: deit_s_distilled blocks and logits") { check_seeded_model("deit_s_distilled"); }
TEST_CASE("golden: swin_t blocks and logits") { check_seeded_model("swin_t"); }
TEST_CASE("golden: swin_s blocks and logits") { check_seeded_model("swin_s"); }
TEST_CASE("golden: swin_b blocks and logits") { check_seeded_model("swin_b"); }

TEST_CASE("golden: deit_t on 24 photographs") {
  const auto folder = golden();
  if (!folder) return;
  const Photographs photographs = run_photographs(*folder, {});
  CHECK(photographs.count == 24);
  CHECK(photographs.agree == 24);
  CHECK(photographs.worst < 5e-4);
}

TEST_CASE("golden: deit_t on 24 photographs in bf16") {
  const auto folder = golden();
  if (!folder || test::skips_without_bf16()) return;
  const Photographs photographs = run_photographs(*folder, {.bf16 = true});
  CHECK(photographs.count == 24);
  CHECK(photographs.agree == 24);
  CHECK(photographs.worst > 5e-4);  // it did run in bf16
  CHECK(photographs.worst < 0.2);   // measured: 0.11
}
