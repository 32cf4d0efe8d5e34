// Folders as transformers, timm and open_clip write them, opened whole, against what these libraries answered
// (../shared/golden/families, where it is there).

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "engine/picture/resize.h"
#include "tests/reference_values.h"
#include "tests/shared_folder.h"
#include "vitq/model.h"
#include "vitq/session.h"
#include "weights/safetensors.h"

using namespace vitq;

namespace {

enum class Answer : std::uint8_t { kLogits, kEmbedding, kTokens };

struct Case {
  const char* folder;
  const char* expected;  ///< the tensor of expected.safetensors
  Answer answer = Answer::kLogits;
};

constexpr Case kCases[] = {
    {"hf/ViTForImageClassification", "logits"},
    {"hf/ViTModel", "last_hidden_state", Answer::kTokens},
    {"hf/DeiTForImageClassification", "logits"},
    {"hf/Dinov2Model", "last_hidden_state", Answer::kTokens},
    {"hf/Dinov2Model", "pooler_output", Answer::kEmbedding},
    {"hf/Dinov2Model-42x56", "last_hidden_state", Answer::kTokens},
    {"hf/Dinov2WithRegistersModel-42x56", "last_hidden_state", Answer::kTokens},
    {"hf/DINOv3ViTModel-gated-32x48", "last_hidden_state", Answer::kTokens},
    {"hf/SwinForImageClassification", "logits"},
    {"timm/vit", "logits"},
    {"timm/vit", "features", Answer::kTokens},
    {"hf/Dinov2ForImageClassification", "logits"},
    {"hf/Dinov2Model-swiglu", "last_hidden_state", Answer::kTokens},
    {"hf/CLIPModel", "image_features", Answer::kEmbedding},
    {"hf/CLIPVisionModelWithProjection", "image_embeds", Answer::kEmbedding},
    {"hf/SiglipModel", "image_features", Answer::kEmbedding},
    {"hf/SiglipVisionModel", "pooler_output", Answer::kEmbedding},
    {"hf/SiglipVisionModel", "last_hidden_state", Answer::kTokens},
    {"hf/DINOv3ViTModel", "last_hidden_state", Answer::kTokens},
    {"hf/BeitForImageClassification", "logits"},
    {"hf/Swinv2ForImageClassification", "logits"},
    {"timm/siglip", "pooled", Answer::kEmbedding},
    {"timm/eva02", "logits"},
    {"open_clip/clip", "image_embeds", Answer::kEmbedding},
    {"open_clip/clip-gelu-bf16", "image_embeds", Answer::kEmbedding},
    {"open_clip/siglip-timm-f16", "image_embeds", Answer::kEmbedding},
};

// input: [1, 3, height, width] of `size`, perhaps not that of the folder's own preprocessing.
std::vector<float> answer_of(const Case& one, const std::string& folder, PictureSize size,
                             std::span<const float> input) {
  std::shared_ptr<const Model> model = Model::open(folder);
  if (size != PictureSize(model->image_height(), model->image_width())) model = model->resized(size);
  Session session(model, {.threads = 1});
  const Wanted wanted{.logits = one.answer == Answer::kLogits,
                      .embedding = one.answer == Answer::kEmbedding,
                      .tokens = one.answer == Answer::kTokens};
  Result result = session.run(input, 1, wanted);
  switch (one.answer) {
    case Answer::kLogits:
      return std::move(result.logits);
    case Answer::kEmbedding:
      return std::move(result.embedding);
    default:
      return std::move(result.tokens);
  }
}

}  // namespace

TEST_CASE("hub models: folders of transformers, timm and open_clip answer as their libraries do") {
  const auto shared = test::shared_folder();
  if (!shared) {
    std::puts("SKIPPED: no ../shared folder with golden/families");
    return;
  }
  for (const Case& one : kCases) {
    CAPTURE(one.folder);
    CAPTURE(one.expected);
    const auto folder = *shared / "golden/families" / one.folder;
    const SafetensorsFile reference(folder / "expected.safetensors");
    const auto input = test::values_of(reference, "input");
    const Shape& shape = reference.find("input")->shape;
    const PictureSize size(shape[2], shape[3]);
    const auto expected = test::values_of(reference, one.expected);
    const double worst =
        test::largest_difference(answer_of(one, folder.string(), size, input), expected) / test::deviation(expected);
    std::printf("%s %s: largest difference %.2g standard deviations\n", one.folder, one.expected, worst);
    CHECK(worst < 5e-5);
  }
}

TEST_CASE("hub models: nothing of a folder of transformers is a guess") {
  const auto shared = test::shared_folder();
  if (!shared) {
    std::puts("SKIPPED: no ../shared folder with golden/families");
    return;
  }
  for (const Case& one : kCases) {
    if (!std::string(one.folder).starts_with("hf/")) continue;  // the others leave heads open
    CAPTURE(one.folder);
    const auto model = Model::open((*shared / "golden/families" / one.folder).string());
    const std::vector<std::string> assumptions = model->assumptions();
    CHECK(assumptions == std::vector<std::string>());
    if (model->classes() == 10) CHECK(model->class_names().back() == "class 9");
  }
}

TEST_CASE("hub pictures: what DINOv3's processor resizes in float") {
  const auto shared = vitq::test::shared_folder();
  if (!shared) {
    std::puts("SKIPPED: no ../shared folder with golden/families");
    return;
  }
  const auto folder = *shared / "golden/families/preprocess";
  const Preprocessing how{.image_size = 224,
                          .resize = 224,
                          .interpolation = Interpolation::kBilinear,
                          .resize_mode = ResizeMode::kSquash,
                          .resize_rounding = ResizeRounding::kNone};
  std::vector<float> found(std::size_t{3} * 224 * 224);
  preprocess(load_image(folder / "landscape.png"), how, found);
  std::vector<float> every_eighth;
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (i / 224 % 224 % 8 == 0 && i % 224 % 8 == 0) every_eighth.push_back(found[i]);
  }
  const SafetensorsFile reference(folder / "landscape.hf_dinov3.safetensors");
  const double worst = test::largest_difference(every_eighth, test::values_of(reference, "pixel_values"));
  MESSAGE("largest difference: ", worst);
  CHECK(worst < 3e-6);  // of values up to 2.6; a byte is a step of .017
}
