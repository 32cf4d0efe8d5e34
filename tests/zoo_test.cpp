#include "models/zoo.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/error.h"
#include "models/describe.h"
#include "tests/temporary_folder.h"

using namespace vitq;

namespace {

// A safetensors file whose values, zeros, take no space.
void write_zeros(const std::filesystem::path& path, const std::vector<TensorSpec>& tensors) {
  std::uint64_t end = 0;
  nlohmann::json header;
  for (const TensorSpec& tensor : tensors) {
    const std::uint64_t begin = end;
    end += sizeof(float) * static_cast<std::uint64_t>(element_count(tensor.shape));
    header[tensor.name] = {{"dtype", "F32"}, {"shape", tensor.shape}, {"data_offsets", {begin, end}}};
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const std::uint64_t length = text.size();
  std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(&length), sizeof length) << text;
  std::filesystem::resize_file(path, sizeof length + length + end);
}

}  // namespace

TEST_CASE("every zoo row has the parameters that timm counts") {
  // timm 1.0.31's own numbers. Its LayerScale (two of a width in each block) is multiplied into the weights as they are
  // read; where keys have no bias and queries have one, vitq reads one of zeros.
  struct Count {
    std::int64_t parameters;
    bool has_layer_scale = false;
    bool has_no_key_bias = false;
  };
  const std::map<std::string_view, Count> published = {{"vit_t", {5'717'416}},
                                                       {"vit_s", {22'050'664}},
                                                       {"vit_b", {86'567'656}},
                                                       {"vit_l", {304'326'632}},
                                                       {"vit_b16_384", {86'859'496}},
                                                       {"deit_t", {5'717'416}},
                                                       {"deit_s", {22'050'664}},
                                                       {"deit_b", {86'567'656}},
                                                       {"deit_t_distilled", {5'910'800}},
                                                       {"deit_s_distilled", {22'436'432}},
                                                       {"deit_b_distilled", {87'338'192}},
                                                       {"deit3_s", {22'059'496, true}},
                                                       {"deit3_m", {38'849'512, true}},
                                                       {"deit3_b", {86'585'320, true}},
                                                       {"deit3_l", {304'374'760, true}},
                                                       {"swin_t", {28'288'354}},
                                                       {"swin_s", {49'606'258}},
                                                       {"swin_b", {87'768'224}},
                                                       {"swin_b_384", {87'903'584}},
                                                       {"swin_l", {196'532'476}},
                                                       {"swinv2_t_w8", {28'347'154, false, true}},
                                                       {"swinv2_t_w16", {28'347'154, false, true}},
                                                       {"clip_b32", {87'849'728}},
                                                       {"clip_b16", {86'193'152}},
                                                       {"clip_l14", {303'966'976}},
                                                       {"clip_l14_336", {304'294'656}},
                                                       {"siglip_b16", {92'884'224}},
                                                       {"siglip_b16_384", {93'176'064}},
                                                       {"siglip_so400m", {428'225'600}},
                                                       {"siglip2_b16", {92'884'224}},
                                                       {"dinov2_s", {22'056'192, true}},
                                                       {"dinov2_b", {86'579'712, true}},
                                                       {"dinov2_l", {304'367'616, true}},
                                                       {"dinov2_g", {1'136'479'232, true}},
                                                       {"dinov2_s_reg", {22'057'344, true}},
                                                       {"dinov2_b_reg", {86'582'016, true}},
                                                       {"dinov2_l_reg", {304'370'688, true}},
                                                       {"dinov2_g_reg", {1'136'483'840, true}},
                                                       {"dinov3_s", {21'586'944, true}},
                                                       {"dinov3_b", {85'641'216, true}},
                                                       {"dinov3_l", {303'079'424, true}},
                                                       {"mae_b", {85'798'656}},
                                                       {"beit_b", {86'530'984, true, true}},
                                                       {"eva02_t", {5'756'584, false, true}},
                                                       {"eva02_b", {87'117'544, false, true}}};
  CHECK(zoo().size() == published.size());
  for (const ZooEntry& entry : zoo()) {
    CAPTURE(entry.name);
    REQUIRE(published.contains(entry.name));
    const Count& count = published.at(entry.name);
    std::int64_t width = 0;
    for (const Stage& stage : entry.config.stages()) width += stage.depth * stage.dim;
    CHECK(parameter_count(entry.config) ==
          count.parameters - (count.has_layer_scale ? 2 * width : 0) + (count.has_no_key_bias ? width : 0));
    CHECK_NOTHROW(check_config(entry.config));
  }
}

TEST_CASE("a file of a row's names and shapes is that model, and nothing of it is a guess") {
  const test::TemporaryFolder folder;
  for (const ZooEntry& entry : zoo()) {
    CAPTURE(entry.name);
    const auto file = folder.path() / (std::string(entry.name) + ".safetensors");
    write_zeros(file, expected_tensors(entry.config));
    const ModelDescription description = describe(Checkpoint::open(file), std::string(entry.name));
    CHECK(description.name == entry.name);
    CHECK(description.config == entry.config);
    CHECK(description.preprocessing.image_size == entry.preprocessing.image_size);
    CHECK(description.preprocessing.resize == entry.preprocessing.resize);
    CHECK(description.preprocessing.resize_mode == entry.preprocessing.resize_mode);
    CHECK(description.preprocessing.mean == entry.preprocessing.mean);
    CHECK(description.preprocessing.std == entry.preprocessing.std);
    CHECK(guesses_of(description).empty());
    // Without the row the shapes tell the same, but for what they cannot.
    const ModelConfig shapes = config_of_shapes(Checkpoint::open(file));
    CHECK(expected_tensors(shapes).size() == expected_tensors(entry.config).size());
    std::filesystem::remove(file);
  }
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
  CHECK(find_in_zoo("vit_b")->preprocessing.resize == 248);
  CHECK(find_in_zoo("clip_b16")->preprocessing.resize == 248);
  CHECK(find_in_zoo("clip_l14")->preprocessing.resize == 224);
  CHECK(find_in_zoo("siglip_b16_384")->preprocessing.resize == 426);
  CHECK(find_in_zoo("eva02_b")->preprocessing.resize_mode == ResizeMode::kSquash);
  for (const ZooEntry& entry : zoo()) CHECK(entry.preprocessing.image_size == entry.config.image_size);
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
  const ModelConfig& siglip = find_in_zoo("siglip2_b16")->config;
  CHECK(match_zoo(siglip, "siglip2_b16")->name == "siglip2_b16");
  CHECK(match_zoo(siglip, "vit_base_patch16_siglip_224.v2_webli")->name == "siglip2_b16");
  CHECK(match_zoo(siglip, "siglip_b16")->name == "siglip_b16");
  CHECK(match_zoo(siglip, "vit_base_patch16_siglip_224") == nullptr);
}

TEST_CASE("an encoder without a head has the name of a row only where something says so") {
  const ModelConfig& encoder = find_in_zoo("mae_b")->config;
  CHECK(match_zoo(encoder, "model") == nullptr);
  CHECK(match_zoo(encoder, "vit_base_patch16_224.dino") == nullptr);
  CHECK(match_zoo(encoder, "vit_base_patch16_224.mae")->name == "mae_b");
}

TEST_CASE("the weights of a row are in timm's repository of its tag") {
  CHECK(hub_path(*find_in_zoo("deit_s")) == "timm/deit_small_patch16_224.fb_in1k/resolve/main/model.safetensors");
  // The same weights under two tags, with the activation that OpenAI trained them with and with another.
  CHECK(hub_path(*find_in_zoo("clip_b32")) == "timm/vit_base_patch32_clip_224.openai/resolve/main/model.safetensors");
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
