// The families of timm's VisionTransformer, and Swins of other windows, against what timm and PyTorch computed of the
// same seeded weights
// (../shared/golden/families, where it is there).

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/describe.h"
#include "models/positions.h"
#include "models/words.h"
#include "quant/calibrate.h"
#include "tests/reference_values.h"
#include "tests/sessions.h"
#include "tests/shared_folder.h"
#include "tests/temporary_folder.h"
#include "weights/safetensors.h"
#include "weights/seeded.h"

using namespace vitq;
using test::largest_difference;
using test::values_of;

namespace {

struct Family {
  std::string name;
  ModelConfig config;
  bool layer_scale = false;
};

ModelConfig vit(PictureSize size, std::int64_t patch, const Stage& blocks, std::int64_t classes) {
  ModelConfig config;
  config.image_size = size;
  config.patch = patch;
  config.classes = classes;
  config.body = VitConfig{.blocks = blocks};
  return config;
}

template <class Change>
ModelConfig with(ModelConfig config, Change&& change) {
  change(config.vit());
  return config;
}

// `dim` and `heads` of the first stage; both double from stage to stage, over depths of 2, 2, 18, 2.
ModelConfig swin(std::int64_t size, std::int64_t window, std::int64_t dim, std::int64_t heads) {
  ModelConfig config;
  config.image_size = size;
  config.patch = 4;
  config.eps = 1e-5F;
  SwinConfig body{.window = window, .stages = {}};
  for (const std::int64_t depth : {2, 2, 18, 2}) {
    body.stages.push_back({.depth = depth, .dim = dim, .heads = heads, .hidden = 4 * dim});
    dim *= 2;
    heads *= 2;
  }
  config.body = body;
  return config;
}

ModelConfig swin_v2(std::int64_t window) {
  ModelConfig config = swin(256, window, 96, 3);
  for (Stage& stage : config.swin().stages) stage.cosine = stage.norms_behind = true;
  config.swin().stages[2].depth = 6;
  return config;
}

constexpr Stage kTiny{.depth = 12, .dim = 192, .heads = 3, .hidden = 768};
constexpr Stage kSmall{.depth = 12, .dim = 384, .heads = 6, .hidden = 1536};
constexpr Stage kBase{.depth = 12, .dim = 768, .heads = 12, .hidden = 3072};
constexpr Stage kMini{.depth = 2, .dim = 96, .heads = 3, .hidden = 384};

std::vector<Family> families() {
  const ModelConfig mini = vit(64, 16, kMini, 10);
  ModelConfig clip = with(vit(224, 16, kBase, 512), [](VitConfig& body) {
    body.pre_norm = true;
    body.patch_bias = false;
  });
  clip.eps = 1e-5F;
  const auto average = [](VitConfig& body) { body.pool = Pool::kMean; };
  const auto without_class = [](VitConfig& body) {
    body.class_token = false;
    body.pool = Pool::kMean;
  };
  const auto finetuned = [](VitConfig& body) {
    body.pool = Pool::kMean;
    body.fc_norm = true;
    body.final_norm = false;
  };
  const auto gelu_of = [](Activation activation) {
    return [activation](VitConfig& body) { body.blocks.activation = activation; };
  };
  const auto blocks = [](auto&& change) { return [change](VitConfig& body) { change(body.blocks); }; };
  Stage so400m{.depth = 2, .dim = 1152, .heads = 16, .hidden = 4304};
  Stage large{.depth = 24, .dim = 1024, .heads = 16, .hidden = 4096};
  Stage giant{.depth = 2, .dim = 1536, .heads = 24, .hidden = 4096};
  giant.is_gated = true;
  giant.activation = Activation::kSilu;
  const auto queried = [](VitConfig& body) {
    body.class_token = false;
    body.pool = Pool::kAttention;
    body.pool_hidden = body.blocks.hidden;
  };
  ModelConfig large_clip = with(vit(336, 14, large, 768), [](VitConfig& body) {
    body.pre_norm = true;
    body.patch_bias = false;
    body.blocks.activation = Activation::kQuickGelu;
  });
  large_clip.eps = 1e-5F;
  ModelConfig clip32 = clip;
  clip32.patch = 32;
  Stage medium{.depth = 12, .dim = 512, .heads = 8, .hidden = 2048};
  medium.qkv_bias = false;
  return {
      {"mini_qk_norm", with(mini, blocks([](Stage& stage) { stage.qk_norm = true; }))},
      {"mini_scale_norms", with(mini, blocks([](Stage& stage) { stage.attn_norm = stage.mlp_norm = true; }))},
      {"mini_swiglu_packed", with(mini, blocks([](Stage& stage) {
                                    stage.is_gated = true;
                                    stage.hidden = 256;
                                    stage.activation = Activation::kSilu;
                                  })),
       true},
      {"vit_so400m_patch14_siglip_384.webli-depth2", with(vit(384, 14, so400m, 0), queried)},
      {"mini_crop_grid", vit(70, 16, kMini, 10)},
      {"mini_nonsquare", vit({64, 96}, 16, kMini, 10)},
      {"mini_gelu_tanh", with(mini, gelu_of(Activation::kTanhGelu))},
      {"mini_avgmax", with(mini,
                           [](VitConfig& body) {
                             body.pool = Pool::kMeanAndMost;
                             body.fc_norm = true;
                             body.final_norm = false;
                           })},
      {"mini_no_pos", with(mini, [](VitConfig& body) { body.positions = body.prefix_positions = false; })},
      {"vit_base_patch16_siglip_224.webli", with(vit(224, 16, kBase, 0), queried)},
      {"vit_base_patch16_siglip_384.webli", with(vit(384, 16, kBase, 0), queried)},
      {"vit_base_patch32_siglip_256.v2_webli",
       with(with(vit(256, 32, kBase, 0), queried), gelu_of(Activation::kTanhGelu))},
      {"vit_giant_patch14_dinov2.lvd142m-depth2-img224", vit(224, 14, giant, 0), true},
      {"vit_base_patch16_clip_quickgelu_224.openai", with(clip, gelu_of(Activation::kQuickGelu))},
      {"vit_base_patch32_clip_quickgelu_224.openai", with(clip32, gelu_of(Activation::kQuickGelu))},
      {"vit_base_patch32_clip_224.openai", clip32},
      {"vit_large_patch14_clip_quickgelu_336.openai", large_clip},
      {"vit_small_patch16_224.augreg_in21k", vit(224, 16, kSmall, 21843)},
      {"vit_base_patch16_224.augreg_in21k", vit(224, 16, kBase, 21843)},
      {"vit_large_patch16_224.augreg_in21k_ft_in1k", vit(224, 16, large, 1000)},
      {"mini_avg_fc_norm", with(mini, finetuned)},
      {"mini_avg_no_fc_norm", with(mini, average)},
      {"mini_no_final_norm", with(mini, [](VitConfig& body) { body.final_norm = false; })},
      {"mini_pre_norm_reg", with(mini,
                                 [](VitConfig& body) {
                                   body.pre_norm = true;
                                   body.patch_bias = false;  // as in timm wherever that norm is
                                   body.registers = 3;
                                 })},
      {"mini_no_embed_class", with(mini,
                                   [](VitConfig& body) {
                                     body.registers = 2;
                                     body.prefix_positions = false;
                                   })},
      {"deit3_small_patch16_224.fb_in1k",
       with(vit(224, 16, kSmall, 1000), [](VitConfig& body) { body.prefix_positions = false; }), true},
      {"vit_small_patch14_reg4_dinov2.lvd142m",
       with(vit(518, 14, kSmall, 0),
            [](VitConfig& body) {
              body.registers = 4;
              body.prefix_positions = false;
            }),
       true},
      {"vit_small_patch14_dinov2.lvd142m", vit(518, 14, kSmall, 0), true},
      {"vit_small_patch14_dinov2.lvd142m-img224",
       with(vit(224, 14, kSmall, 0), [](VitConfig& body) { body.position_grid = 37; }), true},
      {"vit_small_patch14_reg4_dinov2.lvd142m-img224",
       with(vit(224, 14, kSmall, 0),
            [](VitConfig& body) {
              body.registers = 4;
              body.prefix_positions = false;
              body.position_grid = 37;
            }),
       true},
      {"vit_small_patch14_reg4_dinov2.lvd142m-dyn224x336",
       with(vit({224, 336}, 14, kSmall, 0),
            [](VitConfig& body) {
              body.registers = 4;
              body.prefix_positions = false;
              body.position_grid = 37;
            }),
       true},
      {"vit_base_patch16_224.mae", vit(224, 16, kBase, 0)},
      {"vit_base_patch16_224.mae-finetuned", with(vit(224, 16, kBase, 1000), finetuned)},
      {"vit_medium_patch16_gap_256.sw_in12k_ft_in1k", with(vit(256, 16, medium, 1000), without_class), true},
      {"vit_base_patch16_siglip_gap_224.webli", with(vit(224, 16, kBase, 0), without_class)},
      {"vit_base_patch16_clip_224.openai", clip},
      {"vit_base_patch16_384.augreg_in21k_ft_in1k", vit(384, 16, kBase, 1000)},
      {"vit_tiny_patch16_224.augreg_in21k", vit(224, 16, kTiny, 21843)},
      {"swin_base_patch4_window12_384.ms_in22k_ft_in1k", swin(384, 12, 128, 4)},
      {"swin_large_patch4_window7_224.ms_in22k_ft_in1k", swin(224, 7, 192, 6)},
      {"swinv2_tiny_window8_256.ms_in1k", swin_v2(8)},
      {"swinv2_tiny_window16_256.ms_in1k", swin_v2(16)},
  };
}

// The biases of qkv as timm's Swin V2 stores them: of q and v, and none of k.
void in_pieces(std::vector<TensorSpec>& specs) {
  constexpr std::string_view kBias = "qkv.bias";
  std::vector<TensorSpec> all;
  for (const TensorSpec& spec : specs) {
    if (!spec.name.ends_with(kBias)) {
      all.push_back(spec);
      continue;
    }
    const std::string attention = spec.name.substr(0, spec.name.size() - kBias.size());
    for (const char* part : {"q_bias", "v_bias"}) all.push_back({attention + part, {spec.shape[0] / 3}});
  }
  specs = std::move(all);
}

// The tensors of a family's checkpoint, as timm stores them.
Checkpoint weights_of(const Family& family) {
  auto specs = expected_tensors(family.config);
  const Stage& blocks = family.config.stages().front();
  for (std::int64_t i = 0; family.layer_scale && i < blocks.depth; ++i) {
    for (const char* scale : {".ls1.gamma", ".ls2.gamma"}) {
      specs.push_back({"blocks." + std::to_string(i) + scale, {blocks.dim}});
    }
  }
  if (family.config.architecture() != Architecture::kSwin || !family.config.swin().is_v2()) {
    return Checkpoint::seeded(specs, 0);
  }
  in_pieces(specs);
  const test::TemporaryFolder folder;
  save_checkpoint(folder.path() / "seeded.safetensors", Checkpoint::seeded(specs, 0), {});
  return Checkpoint::open(folder.path() / "seeded.safetensors");
}

// What names and shapes do not tell.
Stated stated_of(const ModelConfig& config) {
  Stated stated{.image_size = config.image_size,
                .eps = double{config.eps},
                .activation = std::string(name_of(config.stages().front().activation)),
                .pool = std::string(name_of(config.head().pool)),
                .head = config.projection > 0 ? "projection" : "classes"};
  if (config.architecture() != Architecture::kVit) {
    if (config.swin().is_v2()) stated.window = config.swin().window;
    return stated;
  }
  stated.heads = config.vit().blocks.heads;
  stated.rope = name_of(config.vit().rope);
  if (!config.image_size.is_square() && config.vit().position_grid == Grid()) stated.trained_size = config.image_size;
  return stated;
}

// The largest difference, in standard deviations of what is expected.
double difference(std::span<const float> found, std::span<const float> expected) {
  return largest_difference(found, expected) / test::deviation(expected);
}

// Every stored block against what a pass shows: all rows, or rows 0, 1, the middle one and the last.
class Comparison final : public Observer {
 public:
  explicit Comparison(const SafetensorsFile& reference) : reference_(reference) {}

  void output(const std::string& site, const Tensor& value) override {
    if (reference_.find(site) == nullptr) return;
    const auto expected = values_of(reference_, site);
    const std::int64_t dim = value.columns();
    const std::int64_t stored = std::ssize(expected) / dim;
    const std::array few{std::int64_t{0}, std::int64_t{1}, value.rows() / 2, value.rows() - 1};
    std::vector<float> found;
    for (std::int64_t i = 0; i < stored; ++i) {
      const float* row = value.row(stored == value.rows() ? i : few[i]);
      found.insert(found.end(), row, row + dim);
    }
    worst = std::max(worst, difference(found, expected));
    ++seen;
  }

  double worst = 0;
  int seen = 0;

 private:
  const SafetensorsFile& reference_;
};

}  // namespace

TEST_CASE("families: timm's ViTs and Swins of other kinds and sizes, block by block, embedding and logits") {
  const auto shared = test::shared_folder();
  if (!shared) {
    std::puts("SKIPPED: no ../shared folder with golden/families");
    return;
  }
  for (const Family& family : families()) {
    CAPTURE(family.name);
    const SafetensorsFile reference(*shared / "golden/families" / (family.name + ".safetensors"));
    const Checkpoint checkpoint = weights_of(family);
    const ModelConfig& config = family.config;
    const ModelDescription description = describe(checkpoint, std::nullopt, stated_of(config));
    CHECK(description.config == config);  // all of it is in the names and shapes, but for what is stated
    Session session = test::make_session(checkpoint, description, {.threads = 2});
    std::vector<float> image(test::picture_size(session));
    fill_seeded_input(0, image);
    std::vector<float> logits(config.classes);
    Comparison comparison(reference);
    session.model().impl().network.forward(session.impl().workspace, image, 1, logits, &comparison);
    CHECK(comparison.seen >= 2);
    const Result result = session.run(image, 1, {.logits = config.classes > 0, .embedding = true, .tokens = false});
    double worst = std::max(comparison.worst, difference(result.embedding, values_of(reference, "pooled")));
    if (reference.find("logits") != nullptr) {
      worst = std::max(worst, difference(result.logits, values_of(reference, "logits")));
    }
    if (reference.find("logits_first500") != nullptr) {
      worst = std::max(worst, difference(std::span(result.logits).first(500), values_of(reference, "logits_first500")));
    }
    std::printf("%s: largest difference %.2g standard deviations\n", family.name.c_str(), worst);
    CHECK(worst < 5e-5);
  }
}

TEST_CASE("families: the biases that Swin V2 makes of relative positions are timm's") {
  const auto shared = test::shared_folder();
  if (!shared) {
    std::puts("SKIPPED: no ../shared folder with golden/families");
    return;
  }
  for (const std::int64_t window : {8, 16}) {
    const std::string name = "swinv2_tiny_window" + std::to_string(window) + "_256.ms_in1k";
    CAPTURE(name);
    const SafetensorsFile reference(*shared / "golden/families" / (name + ".safetensors"));
    const Family family{name, swin_v2(window)};
    const Checkpoint checkpoint = weights_of(family);
    for (const std::size_t stage : {0, 3}) {
      const std::string block = "layers." + std::to_string(stage) + ".blocks.0";
      const std::string mlp = block + ".attn.cpb_mlp.";
      const auto table = continuous_bias({.in = checkpoint.f32(mlp + "0.weight"),
                                          .in_bias = checkpoint.f32(mlp + "0.bias"),
                                          .out = checkpoint.f32(mlp + "2.weight")},
                                         family.config.swin().window_of(family.config.grid().rows >> stage), 0,
                                         family.config.swin().stages[stage].heads);
      const auto expected = values_of(reference, block + ".bias_table");  // its first rows
      CHECK(expected.size() < table.size());
      CHECK(largest_difference(std::span(table).first(expected.size()), expected) < 1e-5);
    }
  }
}

namespace {

// Small ones with every variation, for what must hold of all.
std::vector<Family> small_families() {
  ModelConfig base = vit(32, 8, {.depth = 2, .dim = 64, .heads = 2, .hidden = 128}, 10);
  ModelConfig clip = with(base, [](VitConfig& body) {
    body.pre_norm = true;
    body.patch_bias = false;
    body.blocks.qkv_bias = false;
  });
  clip.head_bias = false;
  clip.eps = 1e-5F;  // what describe() takes where that norm is
  ModelConfig rms = with(base, [](VitConfig& body) { body.blocks.other_biases = false; });
  rms.rms_norm = true;
  ModelConfig projecting = clip;
  projecting.classes = 0;
  projecting.projection = 24;
  return {{"clip", clip},
          {"registers",
           with(base,
                [](VitConfig& body) {
                  body.registers = 4;
                  body.prefix_positions = false;
                }),
           true},
          {"average",
           with(base,
                [](VitConfig& body) {
                  body.class_token = false;
                  body.pool = Pool::kMean;
                }),
           true},
          {"fine-tuned", with(base,
                              [](VitConfig& body) {
                                body.pool = Pool::kMean;
                                body.fc_norm = true;
                                body.final_norm = false;
                              })},
          {"activation of CLIP", with(base, [](VitConfig& body) { body.blocks.activation = Activation::kQuickGelu; })},
          {"activation of SigLIP", with(base, [](VitConfig& body) { body.blocks.activation = Activation::kTanhGelu; })},
          {"gated",
           with(base,
                [](VitConfig& body) {
                  body.blocks.is_gated = true;
                  body.blocks.activation = Activation::kSilu;
                }),
           true},
          {"gated, with every norm", with(base,
                                          [](VitConfig& body) {
                                            body.blocks.is_gated = true;
                                            body.blocks.activation = Activation::kSilu;
                                            body.blocks.qk_norm = body.blocks.attn_norm = body.blocks.mlp_norm = true;
                                          })},
          {"RMSNorm", rms},
          {"query", with(base,
                         [](VitConfig& body) {
                           body.class_token = false;
                           body.pool = Pool::kAttention;
                           body.pool_hidden = 96;
                         })},
          {"class token and mean", with(base, [](VitConfig& body) { body.pool = Pool::kClassAndMean; })},
          {"mean and most", with(base, [](VitConfig& body) { body.pool = Pool::kMeanAndMost; })},
          {"projection", projecting},
          {"DINOv3",
           with(base,
                [](VitConfig& body) {
                  body.positions = body.prefix_positions = false;
                  body.registers = 4;
                  body.rope = Rope::kDinoV3;
                }),
           true},
          {"EVA-02", with(base, [](VitConfig& body) { body.rope = Rope::kEva02; })},
          {"BEiT", with(base,
                        [](VitConfig& body) {
                          body.positions = body.prefix_positions = false;
                          body.relative_bias = true;
                        })},
          {"another size", with(base, [](VitConfig& body) { body.position_grid = 7; })},
          {"patches of a model with a class", with(base, [](VitConfig& body) { body.pool = Pool::kMean; })}};
}

}  // namespace

TEST_CASE("families: on integers each keeps what the float model says, and its artifact is told from its names") {
  for (const Family& family : small_families()) {
    CAPTURE(family.name);
    const Checkpoint checkpoint = weights_of(family);
    const Stated stated = stated_of(family.config);
    const ModelDescription description = describe(checkpoint, std::nullopt, stated);
    CHECK(description.config == family.config);
    Session floats = test::make_session(checkpoint, description, {.threads = 1});
    constexpr std::int64_t kPictures = 6;
    std::vector<float> images(kPictures * test::picture_size(floats));
    fill_seeded_input(0, images);
    const QuantizedModel quantized = quantize_model(checkpoint, description, images, kPictures, {});
    const Checkpoint artifact = quantized.artifact.checkpoint();
    const ModelDescription again = describe(artifact);
    CHECK(again.config.vit().prefix_tokens() == family.config.vit().prefix_tokens());
    CHECK(again.config.head().pool == family.config.head().pool);
    Session integers = test::make_session(artifact, again, {.threads = 1});
    const Wanted wanted{.logits = family.config.classes > 0, .embedding = true, .tokens = true};
    const Result expected = floats.run(images, kPictures, wanted);
    const Result found = integers.run(images, kPictures, wanted);
    if (wanted.logits) CHECK(difference(found.logits, expected.logits) < 0.35);
    CHECK(difference(found.embedding, expected.embedding) < 0.35);
    CHECK(found.tokens.size() == expected.tokens.size());
    // One picture by itself answers as among others.
    const Result one = integers.run(std::span(images).first(images.size() / kPictures), 1, wanted);
    const std::int64_t size = std::ssize(one.embedding);
    CHECK(difference(one.embedding, std::span(found.embedding).first(size)) < 1e-5);
  }
}

TEST_CASE("families: tokens far larger than the others keep the rest on integers, by scales of rows") {
  // One register whose values are several hundred times those of the patches, as CLIP's and DINOv2's own.
  Family family{"outliers", with(vit(32, 8, {.depth = 2, .dim = 64, .heads = 2, .hidden = 128}, 0),
                                 [](VitConfig& body) { body.registers = 1; })};
  const Checkpoint seeded = weights_of(family);
  std::vector<std::shared_ptr<const MemoryTensor>> tensors;
  for (const std::string& name : seeded.names()) {
    const auto stored = seeded.f32(name);
    std::vector<float> values(stored.begin(), stored.end());
    // Sixteen outputs of the first fc1 answer to what the register alone has much of, its first two channels.
    if (name == "reg_token") std::fill_n(values.begin(), 2, 40.0F);
    for (std::int64_t o = 0; o < 16; ++o) {
      if (name == "blocks.0.mlp.fc1.weight") values[o * 64] = values[o * 64 + 1] = 30.0F;
      if (name == "blocks.0.mlp.fc1.bias") values[o] = -180.0F;
    }
    std::vector<std::uint8_t> bytes(values.size() * sizeof(float));
    std::memcpy(bytes.data(), values.data(), bytes.size());
    tensors.push_back(
        std::make_shared<const MemoryTensor>(name, FileDType::kF32, seeded.shape(name), std::move(bytes)));
  }
  const Checkpoint checkpoint = Checkpoint::in_memory(tensors, {}, "outliers");
  const ModelDescription description = describe(checkpoint, std::nullopt, stated_of(family.config));
  Session floats = test::make_session(checkpoint, description, {.threads = 1});
  constexpr std::int64_t kPictures = 6;
  std::vector<float> images(kPictures * test::picture_size(floats));
  fill_seeded_input(0, images);
  const auto embeddings = [&](const std::optional<std::vector<std::string>>& row_scales, bool expected) {
    QuantizeOptions options;
    options.row_scales = row_scales;
    QuantizedModel quantized = quantize_model(checkpoint, description, images, kPictures, options);
    const bool found = std::ranges::any_of(
        quantized.sites, [](const SiteReport& site) { return site.name == "blocks.0.mlp.fc2" && site.row_scales; });
    CHECK(found == expected);
    const Checkpoint artifact = quantized.artifact.checkpoint();
    CHECK(artifact.metadata().at("schema") == "2");
    Session integers = test::make_session(artifact, describe(artifact), {.threads = 1});
    return integers.run(images, kPictures, {.logits = false, .embedding = true, .tokens = false}).embedding;
  };
  const Result reference = floats.run(images, kPictures, {.logits = false, .embedding = true, .tokens = false});
  const double with_rows = difference(embeddings(std::nullopt, true), reference.embedding);
  const double without = difference(embeddings(std::vector<std::string>{}, false), reference.embedding);
  const double everywhere =
      difference(embeddings(std::vector<std::string>{"qkv", "proj", "fc1", "fc2"}, true), reference.embedding);
  MESSAGE("largest difference: ", with_rows, ", without ", without, ", in all layers ", everywhere);
  // Half and not a number: where weights have seven bits (AVX512_CORE), these alone cost as much as the rest.
  CHECK(everywhere < without / 2);
  CHECK(with_rows < without / 2);
}

TEST_CASE("families: LayerScale is multiplied into the layer before it, weights and bias") {
  const Checkpoint scaled = Checkpoint::seeded({{"blocks.0.attn.proj.weight", {2, 3}},
                                                {"blocks.0.attn.proj.bias", {2}},
                                                {"blocks.0.ls1.gamma", {2}},
                                                {"blocks.0.ls2.gamma", {2}}},
                                               0);
  const Checkpoint plain =
      Checkpoint::seeded({{"blocks.0.attn.proj.weight", {2, 3}}, {"blocks.0.attn.proj.bias", {2}}}, 0);
  std::vector<float> gamma(2);
  fill_seeded("blocks.0.ls1.gamma", {2}, 0, gamma);
  for (int i = 0; i < 6; ++i) {
    CHECK(scaled.f32("blocks.0.attn.proj.weight")[i] == plain.f32("blocks.0.attn.proj.weight")[i] * gamma[i / 3]);
  }
  for (int i = 0; i < 2; ++i) {
    CHECK(scaled.f32("blocks.0.attn.proj.bias")[i] == plain.f32("blocks.0.attn.proj.bias")[i] * gamma[i]);
  }
  CHECK_FALSE(scaled.contains("blocks.0.ls1.gamma"));
  CHECK(scaled.contains("blocks.0.ls2.gamma"));  // nothing to multiply it into: for the model to refuse
}
