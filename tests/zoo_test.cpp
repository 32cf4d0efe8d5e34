#include "models/zoo.h"

#include <doctest/doctest.h>

#include <map>
#include <string>

#include "engine/error.h"

using namespace vitq;

TEST_CASE("every zoo row has the published number of parameters") {
  // Millions, as the papers and timm print them.
  const std::map<std::string_view, double> published = {{"vit_t", 5.72},
                                                        {"vit_s", 22.05},
                                                        {"vit_b", 86.57},
                                                        {"vit_l", 304.33},
                                                        {"deit_t", 5.72},
                                                        {"deit_s", 22.05},
                                                        {"deit_b", 86.57},
                                                        {"deit_t_distilled", 5.91},
                                                        {"deit_s_distilled", 22.44},
                                                        {"deit_b_distilled", 87.34},
                                                        {"swin_t", 28.29},
                                                        {"swin_s", 49.61},
                                                        {"swin_b", 87.77}};
  CHECK(zoo().size() == published.size());
  for (const ZooEntry& entry : zoo()) {
    CAPTURE(entry.name);
    REQUIRE(published.contains(entry.name));
    CHECK(static_cast<double>(parameter_count(entry.config)) / 1e6 ==
          doctest::Approx(published.at(entry.name)).epsilon(0.001));
    CHECK_NOTHROW(check_config(entry.config));
  }
  CHECK(parameter_count(find_in_zoo("deit_s")->config) == 22'050'664);
}

TEST_CASE("the work of a forward pass is the published one") {
  CHECK(static_cast<double>(multiply_accumulates(find_in_zoo("deit_s")->config)) / 1e9 ==
        doctest::Approx(4.60).epsilon(0.005));
  CHECK(static_cast<double>(multiply_accumulates(find_in_zoo("swin_t")->config)) / 1e9 ==
        doctest::Approx(4.5).epsilon(0.02));
}

TEST_CASE("preprocessing is timm's per family") {
  CHECK(find_in_zoo("vit_s")->preprocessing.mean[0] == 0.5F);
  CHECK(find_in_zoo("deit_s")->preprocessing.mean[0] == 0.485F);
  CHECK(find_in_zoo("swin_b")->preprocessing.std[2] == 0.225F);
  for (const ZooEntry& entry : zoo()) CHECK(entry.preprocessing.resize == 248);
  CHECK(resize_for_crop(224, 0.875) == 256);
  CHECK(resize_for_crop(32, 1.0) == 32);
  CHECK_THROWS_AS(resize_for_crop(224, 0.0), Error);
  CHECK_THROWS_AS(resize_for_crop(224, 1.5), Error);
  CHECK_THROWS_AS(resize_for_crop(224, 1e-9), Error);
}

TEST_CASE("a file's name settles what its shapes leave open") {
  const ModelConfig& small = find_in_zoo("deit_s")->config;
  CHECK(match_zoo(small, "vit_s-finetuned")->name == "vit_s");
  CHECK(match_zoo(small, "deit_s")->name == "deit_s");
  CHECK(match_zoo(small, "my_vit_small")->name == "vit_s");
  CHECK(match_zoo(small, "model") == nullptr);
  CHECK(match_zoo(find_in_zoo("deit_t_distilled")->config, "deit_t")->name == "deit_t_distilled");
  ModelConfig other = small;
  other.classes = 10;
  CHECK(match_zoo(other, "deit_s") == nullptr);
  CHECK(find_in_zoo("deit_x") == nullptr);
}

TEST_CASE("the weights of a row are in timm's repository of its tag") {
  CHECK(hub_path(*find_in_zoo("deit_s")) == "timm/deit_small_patch16_224.fb_in1k/resolve/main/model.safetensors");
}

TEST_CASE("a configuration that makes no sense is refused by name") {
  const auto with = [](auto change) {
    ModelConfig config = find_in_zoo("swin_t")->config;
    change(config);
    check_config(config);
  };
  CHECK_THROWS_WITH_AS(with([](ModelConfig& c) { c.patch = 0; }), "model: patch size is 0, expected 1 to 65536", Error);
  CHECK_THROWS_AS(with([](ModelConfig& c) { c.image_size = 225; }), Error);
  CHECK_THROWS_AS(with([](ModelConfig& c) { c.swin().window = 5; }), Error);
  CHECK_THROWS_AS(with([](ModelConfig& c) { c.swin().stages[1].heads = 5; }), Error);
  CHECK_THROWS_AS(with([](ModelConfig& c) { c.swin().stages[0].depth = -1; }), Error);
  CHECK_THROWS_AS(with([](ModelConfig& c) { c.eps = 0; }), Error);
  CHECK_THROWS_AS(with([](ModelConfig& c) { c.classes = std::int64_t{1} << 40; }), Error);
}

TEST_CASE("a row is also known by timm's tag") {
  CHECK(find_in_zoo("deit_small_patch16_224.fb_in1k")->name == "deit_s");
  CHECK(zoo_name("deit_small_patch16_224.fb_in1k") == "deit_s");
  CHECK(find_in_zoo("deit_small_patch16_224") == nullptr);  // timm's default weights may change
}
