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
  CHECK(canonical_names(kTimmSwin) == identity(kTimmSwin));
  CHECK(canonical_names(kDistilledDeit) == identity(kDistilledDeit));
  CHECK(canonical_names({}).empty());
}

TEST_CASE("official and old timm Swin names become canonical") {
  const Names canonical = canonical_names(kOfficialSwin);
  Names expected = identity(kTimmSwin);
  expected["layers.1.downsample.norm.weight"] = "layers.0.downsample.norm.weight";
  expected["layers.1.downsample.reduction.weight"] = "layers.0.downsample.reduction.weight";
  expected["layers.2.downsample.reduction.weight"] = "layers.1.downsample.reduction.weight";
  expected["layers.3.downsample.reduction.weight"] = "layers.2.downsample.reduction.weight";
  expected["head.fc.weight"] = "head.weight";
  expected["head.fc.bias"] = "head.bias";
  CHECK(canonical == expected);
}

TEST_CASE("a prefix that all names share is stripped") {
  for (const std::string prefix : {"module.", "model.", "module.model.", "model.module.model."}) {
    CAPTURE(prefix);
    Names expected = canonical_names(kOfficialSwin);
    for (auto& [name, published] : expected) published.insert(0, prefix);
    CHECK(canonical_names(with_prefix(prefix, kOfficialSwin)) == expected);
  }
  // Not shared by all: part of the name.
  CHECK(canonical_names({"model.a", "b"}) == Names{{"model.a", "model.a"}, {"b", "b"}});
  // Nothing would be left.
  CHECK(canonical_names({"model.", "model.a"}) == Names{{"model.", "model."}, {"model.a", "model.a"}});
  CHECK(canonical_names({"modelled"}) == Names{{"modelled", "modelled"}});
}

TEST_CASE("only whole names are taken for buffers and heads") {
  const Names canonical =
      canonical_names({"attn_mask", "my_attn_mask", "layers.0.attn_mask.weight", "head.weight_g", "my.head.weight"});
  CHECK(canonical == identity({"my_attn_mask", "layers.0.attn_mask.weight", "head.weight_g", "my.head.weight"}));
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
                                            "layers.5"};
  Names expected = identity(strange);
  expected.erase("layers.0.downsample.x.y");
  expected["layers.1.downsample.x.y"] = "layers.0.downsample.x.y";
  CHECK(canonical_names(strange) == expected);
}

TEST_CASE("a mix of two namings is an error that names both") {
  CHECK_THROWS_WITH_AS(canonical_names({"layers.0.x", "head.weight", "head.fc.weight"}),
                       "tensors head.weight and head.fc.weight are both head.fc.weight; the file mixes two namings",
                       Error);
}

}  // namespace vitq
