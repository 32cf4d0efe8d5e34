#include "models/describe.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <limits>
#include <memory>
#include <numeric>

#include "engine/error.h"
#include "models/model_home.h"
#include "models/words.h"
#include "tests/small_models.h"
#include "tests/temporary_folder.h"
#include "weights/checkpoint.h"

using namespace vitq;

namespace {

// Writes seeded weights of `config` with `metadata`, opens and describes them.
ModelDescription described(const ModelConfig& config, const std::map<std::string, std::string>& metadata,
                           const std::string& file = "model.safetensors") {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / file;
  save_checkpoint(path, Checkpoint::seeded(expected_tensors(config), 0), metadata);
  return describe(Checkpoint::open(path));
}

}  // namespace

TEST_CASE("a checkpoint's shapes tell what it is") {
  for (const ModelConfig& config :
       {test::small_vit(false), test::small_vit(true), test::odd_vit(), test::small_swin(), test::small_swin_v2()}) {
    std::map<std::string, std::string> metadata = {{"format", "vitq"},
                                                   {"heads", std::to_string(config.stages()[0].heads)},
                                                   {"image_size", to_string(config.image_size)}};
    if (config.architecture() == Architecture::kSwin) {
      metadata["window"] = std::to_string(config.swin().window);
      std::string trained;
      for (const std::int64_t window : config.swin().trained_windows) {
        trained.append(trained.empty() ? "" : ",").append(std::to_string(window));
      }
      metadata["trained_windows"] = trained;
    }
    CHECK(described(config, metadata).config == config);
  }
}

TEST_CASE("metadata decides preprocessing and class names") {
  const std::map<std::string, std::string> metadata = {
      {"format", "vitq"},     {"heads", "2"},      {"eps", "1e-6"},   {"mean", "0.1,0.2,0.3"},
      {"std", "0.4,0.5,0.6"}, {"crop_pct", "1.0"}, {"model", "tiny"}, {"classes", "a,b,c,d,e,f,g,h,i,j"}};
  const ModelDescription description = described(test::small_vit(false), metadata);
  CHECK(description.name == "tiny");
  CHECK(description.preprocessing.mean[1] == 0.2F);
  CHECK(description.preprocessing.std[2] == 0.6F);
  CHECK(description.preprocessing.resize == 32);
  CHECK(description.preprocessing.image_size == 32);
  CHECK(guesses_of(description).empty());
  CHECK(description.class_names[9] == "j");
}

TEST_CASE("metadata that makes no sense is refused by name") {
  const auto refused = [](const std::string& key, const std::string& value) {
    std::map<std::string, std::string> metadata = {{"format", "vitq"}, {"heads", "2"}};
    metadata[key] = value;
    CHECK_THROWS_AS(described(test::small_vit(false), metadata), Error);
  };
  refused("heads", "two");
  refused("heads", "0");
  refused("heads", "5");
  refused("heads", "99999999999999999999");
  refused("image_size", "-32");
  refused("image_size", "7");
  refused("eps", "nan");
  refused("eps", "0");
  refused("mean", "1,2");
  refused("std", "0,0,0");
  refused("crop_pct", "7");
  refused("classes", "cat,dog");
  refused("architecture", "swin");
  refused("resize", "7");
  refused("patch_size", "0");
}

TEST_CASE("fuzz: metadata with control characters enters a message escaped") {
  CHECK_THROWS_WITH_AS(described(test::small_vit(false), {{"format", "vitq"}, {"heads", "2\x1b[31m\n"}}),
                       doctest::Contains("metadata 'heads' is \"2\\x1b[31m\\x0a\", expected a number"), Error);
}

TEST_CASE(
    "limits: tensors without elements may claim any extents and are refused before anything is computed of them") {
  constexpr std::int64_t kHuge = std::numeric_limits<std::int64_t>::max();
  const auto refused = [](const std::vector<TensorSpec>& specs, const std::string& reason) {
    std::vector<std::shared_ptr<const MemoryTensor>> tensors;
    for (const TensorSpec& spec : specs) {
      tensors.push_back(
          std::make_shared<MemoryTensor>(spec.name, FileDType::kF32, spec.shape, std::vector<std::uint8_t>()));
    }
    const Checkpoint checkpoint = Checkpoint::in_memory(tensors, {}, "x");
    CHECK_THROWS_WITH_AS(describe(checkpoint), doctest::Contains(reason.c_str()), Error);
  };
  const auto vit = [](std::int64_t patch, std::int64_t tokens) -> std::vector<TensorSpec> {
    return {{"patch_embed.proj.weight", {0, 3, patch, patch}},
            {"pos_embed", {1, tokens, 0}},
            {"blocks.0.mlp.fc1.weight", {4, 0}},
            {"head.weight", {3, 0}}};
  };
  refused(vit(16, kHuge), "number of positions is 9223372036854775807, expected 1 to 65536");
  refused(vit(16, 0), "number of positions is 0, expected 1 to 65536");
  refused(vit(kHuge, 5), "patch size is 9223372036854775807, expected 1 to 65536");
  refused(vit(0, 5), "patch size is 0, expected 1 to 65536");
  refused({{"patch_embed.proj.weight", {0, 3, 4, 4}},
           {"layers.0.blocks.0.attn.proj.weight", {kHuge, 0}},
           {"layers.0.blocks.0.attn.relative_position_bias_table", {kHuge, 0}},
           {"layers.0.blocks.0.mlp.fc1.weight", {4, 0}},
           {"head.fc.weight", {3, 0}}},
          "width is 9223372036854775807, expected 1 to 65536");
}

TEST_CASE("a model by name must be that model, and the error says which one it looks like") {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "deit_t.safetensors";
  ModelConfig other = test::small_vit(false);
  save_checkpoint(path, Checkpoint::seeded(expected_tensors(other), 0), {});
  const Checkpoint checkpoint = Checkpoint::open(path);
  CHECK_THROWS_WITH_AS(describe(checkpoint, "deit_t"), doctest::Contains("expected"), Error);
  CHECK_THROWS_WITH_AS(describe(checkpoint, "deit_x"), "no model named deit_x", Error);
}

TEST_CASE("blocks of another kind are refused by name") {
  // Names and shapes of timm's ParallelScalingBlock, as mini_parallel of ../shared/golden/families has them; of its
  // ParallelThingsBlock; of its differential attention, alone and beside the MLP.
  const std::int64_t dim = 64;
  const std::vector<TensorSpec> around{
      {"cls_token", {1, 1, dim}},       {"pos_embed", {1, 17, dim}}, {"patch_embed.proj.weight", {dim, 3, 8, 8}},
      {"patch_embed.proj.bias", {dim}}, {"norm.weight", {dim}},      {"norm.bias", {dim}},
      {"head.weight", {10, dim}},       {"head.bias", {10}}};
  const auto refused = [&](const std::vector<TensorSpec>& blocks, const char* message) {
    std::vector<TensorSpec> tensors = around;
    for (const TensorSpec& tensor : blocks) tensors.push_back({"blocks.0." + tensor.name, tensor.shape});
    try {
      describe(Checkpoint::seeded(tensors, 0));
      FAIL("opened");
    } catch (const Error& error) {
      CHECK(error.code() == ErrorCode::kUnsupported);
      CHECK_MESSAGE(std::string(error.what()).find(message) != std::string::npos, error.what());
    }
  };
  const std::vector<TensorSpec> parallel{{"in_norm.weight", {dim}},
                                         {"in_norm.bias", {dim}},
                                         {"in_proj.weight", {7 * dim, dim}},
                                         {"in_proj.bias", {7 * dim}},
                                         {"attn_out_proj.weight", {dim, dim}},
                                         {"attn_out_proj.bias", {dim}},
                                         {"mlp_out_proj.weight", {dim, 4 * dim}},
                                         {"mlp_out_proj.bias", {dim}}};
  refused(parallel, "has blocks.0.in_proj.weight of parallel blocks (attention beside the MLP");
  refused({{"attns.0.norm.weight", {dim}}, {"attns.0.attn.qkv.weight", {3 * dim, dim}}},
          "has blocks.0.attns.0.attn.qkv.weight of parallel blocks (several attentions");
  refused({{"norm1.weight", {dim}},
           {"attn.lambda_q1", {16}},
           {"attn.qkv.weight", {3 * dim, dim}},
           {"attn.proj.weight", {dim, dim}},
           {"mlp.fc1.weight", {4 * dim, dim}},
           {"mlp.fc2.weight", {dim, 4 * dim}}},
          "has blocks.0.attn.lambda_q1 of differential attention");
  std::vector<TensorSpec> both = parallel;
  both.push_back({"lambda_q1", {16}});
  refused(both, "has blocks.0.lambda_q1 of differential attention");
}

TEST_CASE("models are looked for in VITQ_HOME, then the cache") {
  const test::TemporaryFolder folder;
  ::setenv("VITQ_HOME", folder.path().c_str(), 1);
  CHECK(model_home() == folder.path());
  CHECK_THROWS_WITH_AS(locate_model("deit_t"), doctest::Contains("no weights for deit_t: looked for "), Error);
  const auto file = folder.write("deit_t.safetensors", "x");
  CHECK(locate_model("deit_t") == file);
  CHECK(locate_model("some/file.pth") == "some/file.pth");
  CHECK_THROWS_WITH_AS(locate_model("some/model"), doctest::Contains("/hub/some/model"), Error);
  std::filesystem::create_directories(folder.path() / "hub/some/model");
  folder.write("hub/some/model/model.safetensors", "x");
  CHECK(locate_model("some/model") == folder.path() / "hub/some/model/model.safetensors");
  CHECK_THROWS_WITH_AS(locate_model("resnet50"), doctest::Contains("no model named resnet50"), Error);
  ::unsetenv("VITQ_HOME");
  ::setenv("XDG_CACHE_HOME", "/somewhere", 1);
  CHECK(model_home() == "/somewhere/vitq");
  ::unsetenv("XDG_CACHE_HOME");
}
