// Folders as the Hugging Face hub lays them out, given to --model and convert.
#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/cli/fixture.h"
#include "tests/hub_names.h"
#include "tests/small_models.h"
#include "tests/torch_file.h"
#include "weights/safetensors.h"

namespace vitq::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* kConfig = R"({"model_type": "vit", "architectures": ["ViTForImageClassification"],
  "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 32, "patch_size": 8,
  "layer_norm_eps": 1e-12, "id2label": {"0": "ant", "1": "bee", "2": "cat", "3": "dog", "4": "elk", "5": "fox",
  "6": "gnu", "7": "hen", "8": "ibis", "9": "jay"}})";
constexpr const char* kPreprocessor = R"({"image_processor_type": "ViTImageProcessor", "image_mean": [0.5, 0.5, 0.5],
  "image_std": [0.25, 0.5, 0.5], "resample": 2, "size": {"height": 32, "width": 32}})";

/// A workplace with plain.safetensors, a model under canonical names that states all, and the folder hub with what
/// describes the same model, but without its weights.
struct Hub : Workplace {
  Hub() {
    fs::create_directory(path("hub"));
    write("hub/config.json", kConfig);
    write("hub/preprocessor_config.json", kPreprocessor);
    save_checkpoint(path("plain.safetensors"), weights,
                    {{"format", "vitq"},
                     {"heads", "2"},
                     {"eps", "1e-12"},
                     {"mean", "0.5,0.5,0.5"},
                     {"std", "0.25,0.5,0.5"},
                     {"resize", "32"},
                     {"resize_mode", "squash"},
                     {"crop_offset", "down"},
                     {"interpolation", "bilinear"},
                     {"classes", "ant,bee,cat,dog,elk,fox,gnu,hen,ibis,jay"}});
  }

  [[nodiscard]] json top(const std::string& model) const {
    return json::parse(
        accepts({"run", "--strict", "--model", (*this)(model), "--json", "--topk", "10", picture()}))["top"];
  }

  Checkpoint weights = Checkpoint::seeded(expected_tensors(small_vit(false)), 5);
  std::vector<FileTensor> tensors = under_transformers_names(weights);
};

std::string torch_file_of(const std::vector<FileTensor>& tensors) {
  std::vector<std::string> items;
  std::vector<std::string> storages;
  for (const FileTensor& tensor : tensors) {
    Shape stride(tensor.shape.size(), 1);
    for (std::size_t axis = stride.size(); axis > 1; --axis)
      stride[axis - 2] = stride[axis - 1] * tensor.shape[axis - 1];
    items.push_back(pickled::text(tensor.name));
    items.push_back(pickled::tensor({.storage = std::to_string(storages.size()),
                                     .elements = element_count(tensor.shape),
                                     .size = tensor.shape,
                                     .stride = stride}));
    storages.emplace_back(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size());
  }
  return torch_file(pickled::whole(pickled::dict(items)), storages);
}

}  // namespace

TEST_CASE("hub folder: a model of transformers answers as the same under timm's names, and nothing is a guess") {
  const Hub here;
  write_safetensors(here.path("hub/model.safetensors"), here.tensors, {{"format", "pt"}});
  CHECK(here.top("hub") == here.top("plain.safetensors"));
  CHECK(here.top("hub/model.safetensors") == here.top("plain.safetensors"));
  const std::string info = here.accepts({"info", here("hub")});
  CHECK(info.find("names           transformers' ViT's\n") != std::string::npos);
  CHECK(info.find("squash to 32 (bilinear)") != std::string::npos);
  CHECK(info.find("heads           2 (config.json)\n") != std::string::npos);
  here.refuses({"run", "--model", here("hub"), "--heads", "3", here.picture()}, 1, {"not a multiple of 3 heads"});
  here.write("hub/config.json", R"({"model_type": "vit", "hidden_size": 768})");
  here.refuses({"run", "--model", here("hub"), here.picture()}, 1,
               {"config.json: hidden_size is 768, the tensors have 64; is it another model's?"});
  here.write("hub/config.json", "nothing");
  here.refuses({"run", "--model", here("hub"), here.picture()}, 1, {"config.json: is no JSON object"});
}

TEST_CASE("hub folder: several parts are one model") {
  const Hub here;
  const auto half = here.tensors.begin() + std::ssize(here.tensors) / 2;
  write_safetensors(here.path("hub/model-00001-of-00002.safetensors"), {here.tensors.begin(), half}, {});
  write_safetensors(here.path("hub/model-00002-of-00002.safetensors"), {half, here.tensors.end()}, {});
  json map;
  for (auto tensor = here.tensors.begin(); tensor != here.tensors.end(); ++tensor) {
    map[tensor->name] = tensor < half ? "model-00001-of-00002.safetensors" : "model-00002-of-00002.safetensors";
  }
  here.write("hub/model.safetensors.index.json", json({{"weight_map", map}}).dump());
  CHECK(here.top("hub") == here.top("plain.safetensors"));
  CHECK(here.accepts({"info", "--tensors", here("hub")}).find(" bytes in 2 parts\n") != std::string::npos);
  here.accepts({"convert", "--strict", here("hub"), "--out", here("made.safetensors")});
  CHECK(here.top("made.safetensors") == here.top("plain.safetensors"));
  fs::remove(here.path("hub/model-00002-of-00002.safetensors"));
  here.refuses({"run", "--model", here("hub"), here.picture()}, 1,
               {"model.safetensors.index.json: names model-00002-of-00002.safetensors, which is not beside it"});
}

TEST_CASE("hub folder: PyTorch's weights are converted, with all that stands beside them") {
  const Hub here;
  here.refuses({"run", "--model", here("hub"), here.picture()}, 1, {"is a folder without weights"});
  here.write("hub/pytorch_model.bin", torch_file_of(here.tensors));
  here.refuses({"run", "--model", here("hub"), here.picture()}, 1, {"pytorch_model.bin alone", "`vitq convert "});
  here.accepts({"convert", "--strict", here("hub"), "--out", here("made.safetensors")});
  CHECK(here.top("made.safetensors") == here.top("plain.safetensors"));
}

}  // namespace vitq::test
