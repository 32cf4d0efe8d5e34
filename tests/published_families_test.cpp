// Families whose files name their tensors otherwise than vitq: seeded under the published names, then opened.

#include <doctest/doctest.h>

#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "api/model_impl.h"
#include "tests/reference_values.h"
#include "tests/sessions.h"
#include "tests/shared_folder.h"
#include "tests/temporary_folder.h"
#include "weights/safetensors.h"
#include "weights/seeded.h"

using namespace vitq;

namespace {

/// Names and shapes as timm stores them.
class Published {
 public:
  void add(const std::string& name, Shape shape) { specs_.push_back({name, std::move(shape)}); }
  void add_layer(const std::string& name, std::int64_t outputs, std::int64_t inputs) {
    add(name + ".weight", {outputs, inputs});
    add(name + ".bias", {outputs});
  }
  void add_norm(const std::string& name, std::int64_t dim) {
    add(name + ".weight", {dim});
    add(name + ".bias", {dim});
  }
  void add_layer_scale(const std::string& block, std::int64_t dim) {
    add(block + ".gamma_1", {dim});
    add(block + ".gamma_2", {dim});
  }
  /// Queries and values have a bias, keys have none.
  void add_qkv(const std::string& block, std::int64_t dim) {
    add(block + ".attn.qkv.weight", {3 * dim, dim});
    add(block + ".attn.q_bias", {dim});
    add(block + ".attn.v_bias", {dim});
  }
  void add_patches(std::int64_t dim, std::int64_t patch) {
    add("cls_token", {1, 1, dim});
    add("patch_embed.proj.weight", {dim, 3, patch, patch});
    add("patch_embed.proj.bias", {dim});
  }

  [[nodiscard]] std::size_t count() const { return specs_.size(); }

  void write(const std::filesystem::path& path) const {
    std::vector<std::vector<float>> values;
    std::vector<FileTensor> tensors;
    for (const TensorSpec& spec : specs_) {
      std::vector<float>& one = values.emplace_back(element_count(spec.shape));
      fill_seeded(spec.name, spec.shape, 0, one);
      tensors.push_back({.name = spec.name,
                         .dtype = FileDType::kF32,
                         .shape = spec.shape,
                         .bytes = {reinterpret_cast<const std::uint8_t*>(one.data()), one.size() * sizeof(float)}});
    }
    write_safetensors(path, tensors, {});
  }

 private:
  std::vector<TensorSpec> specs_;
};

struct Eva {
  std::int64_t dim, patch, positions, hidden;
  bool is_split = false;  ///< q_proj, k_proj, v_proj and fc1_g, fc1_x, mlp.norm; else qkv with q_bias, v_bias and fc1
  bool attn_norm = false;
  std::int64_t classes = 0;
  const char* last_norm = "fc_norm";
};

Published eva02(const Eva& eva) {
  constexpr int kDepth = 12;
  Published all;
  all.add_patches(eva.dim, eva.patch);
  all.add("pos_embed", {1, eva.positions, eva.dim});
  for (int i = 0; i < kDepth; ++i) {
    const std::string block = "blocks." + std::to_string(i);
    all.add_norm(block + ".norm1", eva.dim);
    if (eva.is_split) {
      all.add_layer(block + ".attn.q_proj", eva.dim, eva.dim);
      all.add(block + ".attn.k_proj.weight", {eva.dim, eva.dim});
      all.add_layer(block + ".attn.v_proj", eva.dim, eva.dim);
      all.add_layer(block + ".mlp.fc1_g", eva.hidden, eva.dim);
      all.add_layer(block + ".mlp.fc1_x", eva.hidden, eva.dim);
      all.add_norm(block + ".mlp.norm", eva.hidden);
    } else {
      all.add_qkv(block, eva.dim);
      all.add_layer(block + ".mlp.fc1", 2 * eva.hidden, eva.dim);
    }
    if (eva.attn_norm) all.add_norm(block + ".attn.norm", eva.dim);
    all.add_layer(block + ".attn.proj", eva.dim, eva.dim);
    all.add_norm(block + ".norm2", eva.dim);
    all.add_layer(block + ".mlp.fc2", eva.dim, eva.hidden);
  }
  all.add_norm(eva.last_norm, eva.dim);
  if (eva.classes > 0) all.add_layer("head", eva.classes, eva.dim);
  return all;
}

Published dinov3_small(bool is_gated) {
  constexpr std::int64_t kDim = 384;
  constexpr std::int64_t kHidden = 1536;
  Published all;
  all.add_patches(kDim, 16);
  all.add("reg_token", {1, 4, kDim});
  for (int i = 0; i < 12; ++i) {
    const std::string block = "blocks." + std::to_string(i);
    all.add_layer_scale(block, kDim);
    all.add_norm(block + ".norm1", kDim);
    all.add(block + ".attn.qkv.weight", {3 * kDim, kDim});
    all.add_layer(block + ".attn.proj", kDim, kDim);
    all.add_norm(block + ".norm2", kDim);
    if (is_gated) {
      all.add_layer(block + ".mlp.fc1_g", kHidden, kDim);
      all.add_layer(block + ".mlp.fc1_x", kHidden, kDim);
    } else {
      all.add_layer(block + ".mlp.fc1", kHidden, kDim);
    }
    all.add_layer(block + ".mlp.fc2", kDim, kHidden);
  }
  all.add_norm("norm", kDim);
  return all;
}

Published beit_base() {
  constexpr std::int64_t kDim = 768;
  Published all;
  all.add_patches(kDim, 16);
  for (int i = 0; i < 12; ++i) {
    const std::string block = "blocks." + std::to_string(i);
    all.add_layer_scale(block, kDim);
    all.add_norm(block + ".norm1", kDim);
    all.add_qkv(block, kDim);
    all.add(block + ".attn.relative_position_bias_table", {27 * 27 + 3, 12});
    all.add_layer(block + ".attn.proj", kDim, kDim);
    all.add_norm(block + ".norm2", kDim);
    all.add_layer(block + ".mlp.fc1", 4 * kDim, kDim);
    all.add_layer(block + ".mlp.fc2", kDim, 4 * kDim);
  }
  all.add_norm("fc_norm", kDim);
  all.add_layer("head", 1000, kDim);
  return all;
}

// VisionTransformer with RMSNorm, SwiGLU and no bias but the head's and the patches'.
Published mini_rmsnorm_swiglu() {
  constexpr std::int64_t kDim = 96;
  constexpr std::int64_t kHidden = 256;
  Published all;
  all.add_patches(kDim, 16);
  all.add("pos_embed", {1, 17, kDim});
  for (int i = 0; i < 2; ++i) {
    const std::string block = "blocks." + std::to_string(i);
    all.add(block + ".norm1.weight", {kDim});
    all.add(block + ".attn.qkv.weight", {3 * kDim, kDim});
    all.add(block + ".attn.proj.weight", {kDim, kDim});
    all.add(block + ".norm2.weight", {kDim});
    all.add(block + ".mlp.fc1_g.weight", {kHidden, kDim});
    all.add(block + ".mlp.fc1_x.weight", {kHidden, kDim});
    all.add(block + ".mlp.fc2.weight", {kDim, kHidden});
  }
  all.add("norm.weight", {kDim});
  all.add_layer("head", 10, kDim);
  return all;
}

struct Case {
  std::string reference;
  std::size_t tensors = 0;  ///< that timm stores
  std::function<Published()> weights;
  PictureSize input;
  Stated stated;  ///< as timm's configuration would: structure that no tensor shows
  std::optional<PictureSize> resized = std::nullopt;
};

std::vector<Case> cases() {
  const Stated of_eva02{.heads = 3, .eps = 1e-6, .activation = "silu", .pool = "avg", .rope = "eva02"};
  Stated of_base = of_eva02;
  of_base.heads = 12;
  Stated of_clip = of_base;
  of_clip.pool = "token";
  of_clip.head = "projection";
  const Stated of_dinov3{.heads = 6, .eps = 1e-5, .activation = "gelu", .pool = "avg", .rope = "dinov3"};
  Stated of_plus = of_dinov3;
  of_plus.activation = "silu";
  const Stated of_beit{.eps = 1e-6, .activation = "gelu", .pool = "avg"};
  const Stated of_mini{.heads = 3, .eps = 1e-5, .activation = "silu", .pool = "token"};
  const auto dinov3 = [](bool is_gated) { return [is_gated] { return dinov3_small(is_gated); }; };
  const auto eva = [](const Eva& what) { return [what] { return eva02(what); }; };
  return {
      {"mini_rmsnorm_swiglu", 21, mini_rmsnorm_swiglu, 64, of_mini},
      {"vit_small_patch16_dinov3.lvd1689m", 162, dinov3(false), 256, of_dinov3},
      {"vit_small_patch16_dinov3.lvd1689m-dyn224x320", 162, dinov3(false), 256, of_dinov3, PictureSize(224, 320)},
      {"vit_small_plus_patch16_dinov3.lvd1689m", 186, dinov3(true), 256, of_plus},
      {"eva02_tiny_patch14_224.mim_in22k", 162, eva({192, 14, 257, 512}), 224, of_eva02},
      {"eva02_tiny_patch14_336.mim_in22k_ft_in1k", 164, eva({192, 14, 577, 512, false, false, 1000}), 336, of_eva02},
      {"eva02_base_patch14_448.mim_in22k_ft_in22k_in1k", 236, eva({768, 14, 1025, 2048, true, false, 1000}), 448,
       of_base},
      {"eva02_base_patch16_clip_224.merged2b", 260, eva({768, 16, 197, 2048, true, true, 512, "norm"}), 224, of_clip},
      {"beit_base_patch16_224.in22k_ft_in22k_in1k", 199, beit_base, 224, of_beit},
      {"beitv2_base_patch16_224.in1k_ft_in22k_in1k", 199, beit_base, 224, of_beit},
  };
}

double worst_difference(const Case& one, const std::filesystem::path& weights, const SafetensorsFile& reference) {
  Stated stated = one.stated;
  stated.image_size = one.input;
  std::shared_ptr<const Model> model = Model::open(weights.string(), {.stated = stated});
  if (one.resized) model = model->resized(*one.resized);
  Session session(model, {.threads = 2});
  std::vector<float> image(test::picture_size(session));
  fill_seeded_input(0, image);
  const bool has_logits = reference.find("logits") != nullptr;
  const Result result = session.run(image, 1, {.logits = model->classes() > 0, .embedding = true, .tokens = true});
  const auto difference = [&](std::span<const float> found, const char* name) {
    const auto expected = test::values_of(reference, name);
    return test::largest_difference(found, expected) / test::deviation(expected);
  };
  double worst = 0;
  if (has_logits) {
    worst = difference(model->classes() > 0 ? result.logits : result.embedding, "logits");
  } else {
    worst = difference(result.embedding, "pooled");
  }
  const std::int64_t dim = model->token_size();
  std::vector<float> rows;
  const bool has_all = std::ssize(test::values_of(reference, "features")) == model->tokens() * dim;
  for (std::int64_t i = 0; i < model->tokens(); ++i) {
    if (!has_all && i != 0 && i != 1 && i != model->tokens() / 2 && i != model->tokens() - 1) continue;
    rows.insert(rows.end(), &result.tokens[i * dim], &result.tokens[i * dim] + dim);
  }
  return std::max(worst, difference(rows, "features"));
}

}  // namespace

TEST_CASE("families: timm's Eva and Beit under the names of their files") {
  const auto shared = test::shared_folder();
  if (!shared) {
    std::puts("SKIPPED: no ../shared folder with golden/families");
    return;
  }
  const test::TemporaryFolder folder;
  for (const Case& one : cases()) {
    CAPTURE(one.reference);
    const SafetensorsFile reference(*shared / "golden/families" / (one.reference + ".safetensors"));
    const Published published = one.weights();
    CHECK(published.count() == one.tensors);
    const auto path = folder.path() / "weights.safetensors";
    published.write(path);
    const double worst = worst_difference(one, path, reference);
    std::printf("%s: largest difference %.2g standard deviations\n", one.reference.c_str(), worst);
    CHECK(worst < 5e-5);
  }
}
