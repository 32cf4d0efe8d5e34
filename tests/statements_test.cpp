// Who says what of a model, and what is a guess.
#include "models/statements.h"

#include <doctest/doctest.h>

#include <fstream>
#include <map>
#include <string>

#include "models/describe.h"
#include "quant/calibrate.h"
#include "tests/small_models.h"
#include "tests/temporary_folder.h"

using namespace vitq;

namespace {

using Metadata = std::map<std::string, std::string>;

// Small models under any name, with any metadata, with or without a config.json beside them.
struct Folder {
  test::TemporaryFolder folder;

  Checkpoint write(const ModelConfig& config, const std::string& name, const Metadata& metadata = {},
                   std::vector<TensorSpec> more = {}) const {
    auto specs = expected_tensors(config);
    specs.insert(specs.end(), more.begin(), more.end());
    save_checkpoint(folder.path() / name, Checkpoint::seeded(specs, 3), metadata);
    return Checkpoint::open(folder.path() / name);
  }
};

// Shapes of DeiT-T and ViT-Ti, but for the blocks' weights, of which there is one layer.
ModelConfig wide(std::int64_t dim, std::int64_t heads) {
  ModelConfig config = test::small_vit(false);
  config.vit().blocks = {.depth = 1, .dim = dim, .heads = heads, .hidden = 2 * dim};
  return config;
}

const Fact& fact(const ModelDescription& description, const std::string& what) {
  const auto found = std::ranges::find(description.facts, what, &Fact::what);
  REQUIRE(found != description.facts.end());
  return *found;
}

Source source(const ModelDescription& description, const std::string& what) { return fact(description, what).source; }

}  // namespace

TEST_CASE("statements: without vitq's mark a file's metadata means nothing") {
  const Folder here;
  const Metadata foreign = {{"eps", "0.1"},      {"heads", "6"},        {"resize", "480"},     {"mean", "[0.5, 1]"},
                            {"std", "none"},     {"classes", "cat"},    {"schema", "9"},       {"image_size", "-1"},
                            {"patch_size", "x"}, {"precision", "fp16"}, {"architecture", "?"}, {"model", "swin_t"},
                            {"crop_pct", "7"},   {"pool", "max"},       {"activation", "relu"}};
  const ModelConfig config = wide(64, 1);
  for (const auto& mark : {Metadata{}, Metadata{{"format", "pt"}}, Metadata{{"format", "VITQ"}}}) {
    Metadata metadata = foreign;
    metadata.insert(mark.begin(), mark.end());
    const ModelDescription plain = describe(here.write(config, "x.safetensors", mark));
    const ModelDescription described = describe(here.write(config, "x.safetensors", metadata));
    CHECK(described.config == plain.config);
    CHECK(described.name == plain.name);
    CHECK(described.preprocessing.resize == plain.preprocessing.resize);
    CHECK(described.preprocessing.mean == plain.preprocessing.mean);
    CHECK(described.class_names == plain.class_names);
    CHECK(described.config.eps == 1e-6F);
  }
}

TEST_CASE("statements: heads, epsilon, activation and pooling of shapes that nobody published are guesses") {
  const Folder here;
  const ModelDescription stranger = describe(here.write(wide(192, 3), "x.safetensors"));
  for (const char* what : {"heads", "eps", "activation", "pool", "mean", "std", "resize", "interpolation"}) {
    CAPTURE(what);
    CHECK(source(stranger, what) == Source::kAssumed);
  }
  CHECK(source(stranger, "image_size") == Source::kTensors);
  CHECK(stranger.config.vit().blocks.heads == 3);
  // 100 is no multiple of the usual 64: there is nothing to guess.
  const Checkpoint odd = here.write(wide(100, 5), "x.safetensors");
  CHECK_THROWS_WITH_AS(describe(odd), doctest::Contains("how many heads a width of 100"), Error);
  CHECK(describe(odd, std::nullopt, {.heads = 5}).config.vit().blocks.heads == 5);
  CHECK_THROWS_WITH_AS(describe(odd, std::nullopt, {.heads = 7}), doctest::Contains("not a multiple of 7 heads"),
                       Error);
}

TEST_CASE("statements: the blocks of published models are known, whatever they classify") {
  ModelConfig huge;
  huge.image_size = 224;
  huge.patch = 14;
  huge.classes = 10;
  huge.body = VitConfig{.blocks = {.depth = 32, .dim = 1280, .heads = 0, .hidden = 5120}};
  const auto known = stated_by_shapes(huge);
  REQUIRE(known.has_value());
  CHECK(known->first.heads == 16);  // of 80
  CHECK(known->second == "shapes of ViT-H");
  huge.image_size = 28;  // CIFAR's: nobody published such a one
  CHECK_FALSE(stated_by_shapes(huge).has_value());
  huge.image_size = 224;
  huge.vit().blocks.depth = 31;
  CHECK_FALSE(stated_by_shapes(huge).has_value());
}

TEST_CASE("statements: the family in a file's name counts for every configuration") {
  constexpr std::array<float, 3> kHalves{0.5F, 0.5F, 0.5F};
  const Preprocessing imagenet;
  for (const char* name : {"my_vit_tiny", "vit_base_patch16_384", "ViT-B", "fine-tuned.vit", "dir_vit2"}) {
    CAPTURE(name);
    CHECK(stated_by_name(name, 224).mean == kHalves);
  }
  for (const char* name : {"deit_t", "my-DeiT", "swin_custom", "mae_vit", "dino_vits16"}) {
    CAPTURE(name);
    CHECK(stated_by_name(name, 224).std == imagenet.std);
  }
  CHECK_FALSE(stated_by_name("model", 224).mean.has_value());
  CHECK(stated_by_name("vit_x", 224).crop_pct == 0.9);
  CHECK(stated_by_name("vit_x", 384).crop_pct == 1.0);
  CHECK(stated_by_name("deit_base_384", 384).crop_pct == 1.0);
  const Folder here;
  const ModelDescription named = describe(here.write(wide(64, 1), "my_vit.safetensors"));
  CHECK(source(named, "mean") == Source::kFileName);
  CHECK(named.preprocessing.mean == kHalves);
}

TEST_CASE("statements: the caller comes first, and what was a guess stays one in a file of vitq's") {
  const Folder here;
  const Stated stated{.name = "mine",
                      .eps = 1e-5,
                      .mean = std::array{0.1F, 0.2F, 0.3F},
                      .crop_pct = 1.0,
                      .interpolation = "bilinear",
                      .classes = std::vector<std::string>{"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}};
  const Checkpoint checkpoint = here.write(wide(64, 1), "x.safetensors");
  const ModelDescription first = describe(checkpoint, std::nullopt, stated);
  CHECK(first.name == "mine");
  CHECK(first.config.eps == 1e-5F);
  CHECK(first.preprocessing.resize == 32);
  CHECK(first.preprocessing.interpolation == Interpolation::kBilinear);
  CHECK(source(first, "mean") == Source::kCaller);
  save_checkpoint(here.folder.path() / "y.safetensors", checkpoint, metadata_of(first));
  const ModelDescription again = describe(Checkpoint::open(here.folder.path() / "y.safetensors"));
  CHECK(again.preprocessing.mean == first.preprocessing.mean);
  CHECK(again.preprocessing.interpolation == Interpolation::kBilinear);
  CHECK(again.class_names == first.class_names);
  CHECK(again.name == "mine");
  for (const Fact& one : first.facts) {
    CAPTURE(one.what);
    if (one.what != "image_size") CHECK(is_guess(source(again, one.what)) == is_guess(one.source));
  }
  CHECK(is_guess(source(again, "heads")));
  CHECK(source(again, "eps") == Source::kFile);
}

TEST_CASE("statements: what the tensors show cannot be stated otherwise") {
  const Folder here;
  const Checkpoint vit = here.write(wide(64, 1), "x.safetensors");
  CHECK_THROWS_WITH_AS(describe(vit, std::nullopt, {.image_size = 5}), doctest::Contains("multiple of the patch"),
                       Error);
  CHECK_THROWS_WITH_AS(describe(vit, std::nullopt, {.activation = "relu"}), doctest::Contains("vitq computes gelu"),
                       Error);
  CHECK_THROWS_WITH_AS(describe(vit, std::nullopt, {.pool = "max"}),
                       doctest::Contains("vitq computes token, avg, avgmax"), Error);
  CHECK_THROWS_WITH_AS(describe(vit, std::nullopt, {.classes = std::vector<std::string>{"one"}}),
                       doctest::Contains("names 1 classes, the head has 10"), Error);
  CHECK_THROWS_WITH_AS(describe(vit, std::nullopt, {.crop_pct = 0.9, .resize = 40}),
                       doctest::Contains("exclude each other"), Error);
  CHECK_THROWS_WITH_AS(describe(vit, std::nullopt, {.resize = 31}), doctest::Contains("resize is 31"), Error);
  CHECK_THROWS_WITH_AS(describe(vit, std::nullopt, {.std = std::array{0.0F, 1.0F, 1.0F}}), doctest::Contains("std"),
                       Error);
}

TEST_CASE("statements: a config.json counts beside a model.safetensors alone, and must fit") {
  const Folder here;
  const auto config = [&](const std::string& text) { here.folder.write("config.json", text); };
  const auto described = [&] { return describe(Checkpoint::open(here.folder.path() / "model.safetensors")); };
  here.write(wide(192, 6), "model.safetensors");
  config(R"({"num_attention_heads": 6, "layer_norm_eps": 1e-12, "hidden_act": "gelu", "hidden_size": 192,
             "num_hidden_layers": 1, "id2label": {"0":"a","1":"b","2":"c","3":"d","4":"e","5":"f","6":"g","7":"h",
             "8":"i","9":"j"}})");
  const ModelDescription hub = described();
  CHECK(hub.config.vit().blocks.heads == 6);
  CHECK(hub.config.eps == 1e-12F);
  CHECK(hub.class_names[9] == "j");
  CHECK(source(hub, "heads") == Source::kConfig);
  config(R"({"architecture": "vit_tiny_patch16_224", "global_pool": "token", "pretrained_cfg": {"mean": [0.5, 0.5, 0.5],
             "std": [0.25, 0.5, 0.5], "crop_pct": 1.0, "interpolation": "bilinear", "input_size": [3, 32, 32]}})");
  const ModelDescription timm = described();
  CHECK(timm.preprocessing.std[0] == 0.25F);
  CHECK(timm.preprocessing.interpolation == Interpolation::kBilinear);
  CHECK(source(timm, "resize") == Source::kConfig);
  CHECK(source(timm, "heads") == Source::kAssumed);
  const auto refused = [&](const std::string& text, const char* reason) {
    config(text);
    CHECK_THROWS_WITH_AS(described(), doctest::Contains(reason), Error);
  };
  refused(R"({"hidden_size": 384})", "hidden_size is 384, the tensors have 192");
  refused(R"({"num_attention_heads": "six"})", "num_attention_heads is six, expected");
  refused(R"({"pretrained_cfg": {"crop_pct": 7}})", "model.safetensors: crop_pct is 7");
  refused("[1]", "is no JSON object");
  refused("{", "is no JSON object");
  refused(R"({"id2label": {"0": "a", "2": "b"}})", "none for class 1");
  refused(R"({"hidden_act": "relu"})", "activation is relu");
  CHECK(describe(here.write(wide(192, 3), "other.safetensors")).config.vit().blocks.heads == 3);
}

TEST_CASE("statements: a Swin's size is in its masks, else its window tells the usual one") {
  const Folder here;
  const ModelConfig small = test::small_swin();  // 12 x 12 tokens of 4 pixels, windows of 3
  const auto size = [](const ModelDescription& description) { return description.config.image_size; };
  const ModelDescription guessed = describe(here.write(small, "x.safetensors"));
  CHECK(size(guessed) == 48);
  CHECK(source(guessed, "image_size") == Source::kAssumed);
  const ModelDescription shown =
      describe(here.write(small, "x.safetensors", {}, {{"layers.0.blocks.1.attn_mask", {64, 9, 9}}}));
  CHECK(size(shown) == 96);  // 8 x 8 windows
  CHECK(source(shown, "image_size") == Source::kTensors);
  const ModelDescription later =
      describe(here.write(small, "x.safetensors", {}, {{"layers.1.blocks.1.attn_mask", {16, 9, 9}}}));
  CHECK(size(later) == 96);
  const Checkpoint plain = here.write(small, "x.safetensors");
  CHECK(size(describe(plain, std::nullopt, {.image_size = 192})) == 192);
  CHECK_THROWS_WITH_AS(describe(plain, std::nullopt, {.image_size = 56}), doctest::Contains("window"), Error);
}

TEST_CASE("statements: the windows of a Swin V2 are stated, or stand in its name, or it is refused") {
  const Folder here;
  ModelConfig config = test::small_swin_v2();  // 12 x 12 tokens, windows of 6
  const Checkpoint plain = here.write(config, "x.safetensors");
  CHECK_THROWS_WITH_AS(describe(plain), doctest::Contains("nothing tells how many tokens a side the windows"), Error);
  const Stated windows{.image_size = 48, .window = 6, .trained_windows = config.swin().trained_windows};
  const ModelDescription stated = describe(plain, std::nullopt, windows);
  CHECK(stated.config == config);
  CHECK(source(stated, "window") == Source::kCaller);
  CHECK(fact(stated, "trained_windows").value == "4,0,2");
  CHECK(describe(here.write(config, "x.safetensors", metadata_of(stated))).config == config);
  // Who states windows alone has trained with them: a guess.
  const ModelDescription alone = describe(plain, std::nullopt, {.image_size = 48, .window = 6});
  CHECK(alone.config.swin().trained_windows.empty());
  CHECK(source(alone, "trained_windows") == Source::kAssumed);
  CHECK(fact(alone, "trained_windows").value == "none");
  const auto stating = [&](std::int64_t window, std::vector<std::int64_t> trained) {
    return describe(plain, std::nullopt, {.image_size = 48, .window = window, .trained_windows = std::move(trained)});
  };
  CHECK(stating(6, {0, 0, 0}).config.swin().trained_windows.empty());
  CHECK_THROWS_WITH_AS(stating(6, {4, 4}), doctest::Contains("2 trained windows, expected none, or one for each of 3"),
                       Error);
  CHECK_THROWS_WITH_AS(stating(6, {4, 1, 2}), doctest::Contains("a trained window is 1"), Error);
  CHECK_THROWS_WITH_AS(stating(5, {}), doctest::Contains("12 tokens is not a multiple of the window 5"), Error);
  CHECK_THROWS_WITH_AS(describe(plain, std::nullopt, {.image_size = 3, .window = 6}),
                       doctest::Contains("image size 3 is not a multiple of the patch size 4"), Error);
  CHECK_THROWS_WITH_AS(describe(plain, std::nullopt, {.image_size = 48, .window = 0}),
                       doctest::Contains("window is 0, expected 1 to"), Error);
  // Microsoft's files keep what shows it.
  const ModelDescription shown = describe(
      here.write(config, "x.safetensors", {}, {{"layers.0.blocks.0.attn.relative_coords_table", {1, 11, 11, 2}}}),
      std::nullopt, {.image_size = 48});
  CHECK(shown.config.swin().window == 6);
  CHECK(source(shown, "window") == Source::kTensors);
  const ModelDescription named = describe(here.write(config, "my_swinv2_tiny_window6_48.safetensors"));
  CHECK(named.config.swin().window == 6);
  CHECK(named.config.image_size == 48);
  CHECK(source(named, "window") == Source::kFileName);
  CHECK_THROWS_WITH_AS(describe(here.write(test::small_swin(), "x.safetensors"), std::nullopt, {.window = 6}),
                       doctest::Contains("window is 6, the tables of relative positions are of 3"), Error);
}

TEST_CASE("statements: the names of published Swin V2s") {
  const auto says = [](const char* name) { return windows_of_name(name); };
  using Windows = std::vector<std::int64_t>;
  CHECK(says("swinv2_tiny_window8_256").window == 8);
  CHECK(says("swinv2_tiny_window8_256").trained_windows == Windows());
  CHECK(says("swinv2_tiny_window8_256.ms_in1k").image_size == 256);
  CHECK(says("swinv2_base_window12to16_192to256").window == 16);
  CHECK(says("swinv2_base_window12to16_192to256").trained_windows == Windows{12, 12, 12, 6});
  CHECK(says("swinv2_large_window12to24_192to384.ms_in22k_ft_in1k").image_size == 384);
  for (const char* name : {"swin_tiny_patch4_window7_224", "swinv2_cr_tiny_224", "swinv2_window", "window8_256", ""}) {
    CAPTURE(name);
    CHECK_FALSE(says(name).window.has_value());
    CHECK_FALSE(says(name).trained_windows.has_value());
    CHECK_FALSE(says(name).image_size.has_value());
  }
}

TEST_CASE("statements: one part of a checkpoint is told from a whole one by its name") {
  const Folder here;
  CHECK_THROWS_WITH_AS(describe(here.write(wide(64, 1), "model-00001-of-00002.safetensors")),
                       doctest::Contains("is one part of 2"), Error);
  CHECK(describe(here.write(wide(64, 1), "model-00001-of-00001.safetensors")).config.classes == 10);
  CHECK(describe(here.write(wide(64, 1), "one-of-2.safetensors")).config.classes == 10);
}

TEST_CASE("statements: a model without a head gives embeddings and no logits") {
  const Folder here;
  for (ModelConfig config :
       {test::small_vit(false), test::small_vit(true), test::small_swin(), test::small_swin_v2()}) {
    const auto images = test::random_floats(2 * 3 * config.image_size.pixels(), 4, -2, 2);
    const Stated heads{
        .image_size = config.image_size,
        .heads = config.architecture() == Architecture::kVit ? std::optional(config.vit().blocks.heads) : std::nullopt,
        .window = config.architecture() == Architecture::kSwin ? std::optional(config.swin().window) : std::nullopt};
    here.write(config, "x.safetensors");
    Session whole(Model::open((here.folder.path() / "x.safetensors").string(), {.stated = heads}));
    config.classes = 0;
    const auto file = here.folder.path() / "y.safetensors";
    here.write(config, "y.safetensors");
    Session headless(Model::open(file.string(), {.stated = heads}));
    CHECK(headless.model().classes() == 0);
    CHECK(headless.model().top({}, 5).empty());
    const Wanted embedding{.logits = false, .embedding = true, .tokens = true};
    const Result expected = whole.run(images, 2, embedding);
    const Result found = headless.run(images, 2, embedding);
    CHECK(found.embedding == expected.embedding);
    CHECK(found.tokens == expected.tokens);
    CHECK_THROWS_WITH_AS((void)headless.run(images, 2), doctest::Contains("has no head"), Error);
    const QuantizedModel quantized =
        quantize_model(Checkpoint::open(file), describe(Checkpoint::open(file), std::nullopt, heads), images, 2, {});
    Session integers =
        test::make_session(quantized.artifact.checkpoint(), describe(quantized.artifact.checkpoint()), {});
    CHECK(integers.run(images, 2, embedding).embedding.size() == expected.embedding.size());
  }
}
