// Every published naming of a checkpoint against timm's canonical names.
#include "weights/names.h"

#include <doctest/doctest.h>

#include "engine/error.h"

namespace vitq {
namespace {

using Names = std::map<std::string, std::string>;

const std::vector<std::string> kTimmSwin = {
    "patch_embed.proj.weight",
    "patch_embed.norm.bias",
    "layers.0.blocks.0.attn.relative_position_bias_table",
    "layers.1.downsample.norm.weight",
    "layers.1.downsample.reduction.weight",
    "layers.2.downsample.reduction.weight",
    "layers.3.downsample.reduction.weight",
    "layers.3.blocks.1.mlp.fc2.bias",
    "norm.weight",
    "head.fc.weight",
    "head.fc.bias",
};

const std::vector<std::string> kOfficialSwin = {
    "patch_embed.proj.weight",
    "patch_embed.norm.bias",
    "layers.0.blocks.0.attn.relative_position_bias_table",
    "layers.0.blocks.0.attn.relative_position_index",
    "layers.0.blocks.1.attn_mask",
    "layers.0.downsample.norm.weight",
    "layers.0.downsample.reduction.weight",
    "layers.1.downsample.reduction.weight",
    "layers.2.downsample.reduction.weight",
    "layers.3.blocks.1.mlp.fc2.bias",
    "norm.weight",
    "head.weight",
    "head.bias",
};

const std::vector<std::string> kDistilledDeit = {
    "cls_token",
    "dist_token",
    "pos_embed",
    "patch_embed.proj.weight",
    "blocks.0.norm1.weight",
    "blocks.11.mlp.fc2.bias",
    "norm.bias",
    "head.weight",
    "head.bias",
    "head_dist.weight",
    "head_dist.bias",
};

/// By canonical name what is published, of tensors that are stored as they are used.
Names renamed(const SortedNames& sorted) {
  Names names;
  for (const auto& [canonical, portions] : sorted.tensors) {
    REQUIRE(portions.size() == 1);
    CHECK(portions.front().share == Share::kWhole);
    names[canonical] = portions.front().published;
  }
  return names;
}

Names canonical(const std::vector<std::string>& published) { return renamed(sort_names(published)); }

Names identity(const std::vector<std::string>& names) {
  Names same;
  for (const std::string& name : names) same[name] = name;
  return same;
}

std::vector<std::string> with_prefix(const std::string& prefix, std::vector<std::string> names) {
  for (std::string& name : names) name.insert(0, prefix);
  return names;
}

}  // namespace

TEST_CASE("current timm names and official DeiT names are canonical") {
  CHECK(canonical(kTimmSwin) == identity(kTimmSwin));
  CHECK(canonical(kDistilledDeit) == identity(kDistilledDeit));
  CHECK(canonical({}).empty());
}

TEST_CASE("official and old timm Swin names become canonical") {
  const Names found = canonical(kOfficialSwin);
  Names expected = identity(kTimmSwin);
  expected["layers.1.downsample.norm.weight"] = "layers.0.downsample.norm.weight";
  expected["layers.1.downsample.reduction.weight"] = "layers.0.downsample.reduction.weight";
  expected["layers.2.downsample.reduction.weight"] = "layers.1.downsample.reduction.weight";
  expected["layers.3.downsample.reduction.weight"] = "layers.2.downsample.reduction.weight";
  expected["head.fc.weight"] = "head.weight";
  expected["head.fc.bias"] = "head.bias";
  CHECK(found == expected);
}

TEST_CASE("whatever stands before the patch embedding is a wrapper, and names without it are no part of the model") {
  for (const std::string wrapper :
       {"module.", "model.", "_orig_mod.", "backbone.", "module.model.", "state.encoder.0.", "m\xc3\xa9.", "a b."}) {
    CAPTURE(wrapper);
    Names expected = canonical(kOfficialSwin);
    for (auto& [name, published] : expected) published.insert(0, wrapper);
    std::vector<std::string> names = with_prefix(wrapper, kOfficialSwin);
    names.insert(names.end(), {"criterion.weight", "head.weight", "x" + wrapper + "norm.weight"});
    const SortedNames sorted = sort_names(names);
    CHECK(sorted.wrapper == wrapper);
    CHECK(renamed(sorted) == expected);
    CHECK(sorted.left_behind ==
          std::vector<std::string>{"criterion.weight", "head.weight", "x" + wrapper + "norm.weight"});
    CHECK(sorted.buffers.at("layers.0.blocks.1.attn_mask") == wrapper + "layers.0.blocks.1.attn_mask");
  }
  // Half a word is no wrapper, and without a patch embedding there is none.
  CHECK(sort_names({"my_patch_embed.proj.weight", "my_norm.bias"}).wrapper.empty());
  CHECK(canonical({"model.a", "model.b"}) == Names{{"model.a", "model.a"}, {"model.b", "model.b"}});
}

TEST_CASE("what only training needs is left behind beside a model's own names, and nothing else is") {
  std::vector<std::string> names = kDistilledDeit;
  const std::vector<std::string> training = {"criterion.weight", "decoder_blocks.0.norm1.weight", "loss.center",
                                             "mask_token", "queue"};
  const std::vector<std::string> unknown = {"adapter.weight", "blocks.0.ls1.gamma", "head.loss", "reg_token"};
  names.insert(names.end(), training.begin(), training.end());
  names.insert(names.end(), unknown.begin(), unknown.end());
  const SortedNames sorted = sort_names(names);
  CHECK(sorted.left_behind == training);
  for (const std::string& name : unknown) CHECK(sorted.tensors.contains(name));
}

TEST_CASE("of several models one must be chosen") {
  std::vector<std::string> names = with_prefix("student.backbone.", kDistilledDeit);
  const std::vector<std::string> teacher = with_prefix("teacher.backbone.", kDistilledDeit);
  names.insert(names.end(), teacher.begin(), teacher.end());
  CHECK_THROWS_WITH_AS(sort_names(names), "holds 2 models, under student.backbone., teacher.backbone., expected one",
                       SeveralModels);
  const SortedNames chosen = sort_names(names, "teacher.backbone.");
  CHECK(renamed(chosen).at("norm.bias") == "teacher.backbone.norm.bias");
  CHECK(chosen.left_behind == with_prefix("student.backbone.", kDistilledDeit));
  CHECK_THROWS_WITH_AS(sort_names(names, "ema."),
                       "no model stands under ema.; found student.backbone., teacher.backbone.", Error);
  CHECK_THROWS_WITH_AS(sort_names(kDistilledDeit, "ema."), "no model stands under ema.; found the top", Error);
}

TEST_CASE("names that are not known are called by their names") {
  const auto explained = [](const std::string& name, const std::string& what) {
    const std::string text = explain_names({"a", name});
    CAPTURE(text);
    CHECK(text.find(what) != std::string::npos);
    CHECK(text.find(name) != std::string::npos);
  };
  explained("base_model.model.blocks.0.attn.qkv.lora_A.weight", "LoRA");
  explained("conv_proj.weight", "torchvision");
  explained("encoder.layers.encoder_layer_0.ln_1.weight", "torchvision");
  explained("vit.embeddings.patch_embeddings.projection.weight", "transformers");
  explained("vision_model.post_layernorm.weight", "CLIP or SigLIP");
  explained("visual.conv1.weight", "open_clip");
  explained("bert.embeddings.word_embeddings.weight", "language model");
  explained("model.embed_tokens.weight", "language model");
  explained("layer1.0.conv1.weight", "ResNet");
  explained("blocks.3.norm1.weight", "one part of several");
  explained("layers.3.blocks.0.norm1.weight", "one part of several");
  CHECK(explain_names({"b"}).find("found b") != std::string::npos);
  CHECK(explain_names({}) == "there are no tensors in it");
}

TEST_CASE("only whole names are taken for buffers and heads") {
  const Names found =
      canonical({"attn_mask", "my_attn_mask", "layers.0.attn_mask.weight", "head.weight_g", "my.head.weight"});
  CHECK(found == identity({"my_attn_mask", "layers.0.attn_mask.weight", "head.weight_g", "my.head.weight"}));
}

TEST_CASE("unknown and strange names stay as they are") {
  const std::vector<std::string> strange = {"",
                                            ".",
                                            "layers.",
                                            "layers.0.downsample.x.y",
                                            "layers.-1.downsample.x",
                                            "layers.x.downsample.x",
                                            "layers.99999999999999999999.downsample.x",
                                            "layers.2147483647.downsample.x",
                                            "layers.5",
                                            "patch_embed.proj.weight"};
  Names expected = identity(strange);
  expected.erase("layers.0.downsample.x.y");
  expected["layers.1.downsample.x.y"] = "layers.0.downsample.x.y";
  CHECK(canonical(strange) == expected);
}

TEST_CASE("a mix of two namings is an error that names both") {
  CHECK_THROWS_WITH_AS(canonical({"patch_embed.proj.weight", "layers.0.x", "head.weight", "head.fc.weight"}),
                       "tensors head.weight and head.fc.weight are both head.fc.weight; the file mixes two namings",
                       Error);
}

}  // namespace vitq
