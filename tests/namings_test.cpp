// The table of namings: how each library calls a tensor, and what it is in vitq's names. One block each; that the whole
// models then answer as the libraries do is hub_models_test's.
#include "weights/namings.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "engine/error.h"
#include "weights/name_pattern.h"
#include "weights/names.h"

namespace vitq {
namespace {

using Lines = std::vector<std::string>;

std::string share_text(Share share) {
  switch (share) {
    case Share::kWhole:
      return "";
    case Share::kTransposed:
      return " transposed";
    case Share::kThreeDims:
      return " in three dimensions";
    case Share::kQuery:
      return " (q)";
    case Share::kKey:
      return " (k)";
    case Share::kValue:
      return " (v)";
    case Share::kGate:
      return " (gate)";
    case Share::kUp:
      return " (up)";
    case Share::kFirstThird:
      return " (first third)";
    case Share::kOtherThirds:
      return " (other thirds)";
    case Share::kPositionAdded:
      return " (first position)";
    case Share::kPositionsBehind:
      return " (behind the first)";
  }
  return "?";
}

/// "blocks.0.attn.qkv.weight = a (q) + b (k) + c (v)", sorted.
Lines lines_of(const SortedNames& sorted) {
  Lines lines;
  for (const auto& [canonical, portions] : sorted.tensors) {
    std::string line = canonical + " =";
    for (const Portion& portion : portions) {
      line += (&portion == &portions.front() ? " " : " + ") + portion.published + share_text(portion.share);
    }
    lines.push_back(line);
  }
  return lines;
}

struct Case {
  std::string who;
  std::vector<std::string> published;
  Lines expected;
  std::vector<std::string> left_behind = {};
};

void check_case(const Case& one) {
  CAPTURE(one.who);
  // The order in the file means nothing.
  for (const bool is_reversed : {false, true}) {
    std::vector<std::string> published = one.published;
    published.insert(published.end(), one.left_behind.begin(), one.left_behind.end());
    if (is_reversed) std::ranges::reverse(published);
    const SortedNames sorted = sort_names(published);
    CHECK(sorted.who == one.who);
    Lines expected = one.expected;
    std::ranges::sort(expected);
    Lines found = lines_of(sorted);
    std::ranges::sort(found);
    CHECK(found == expected);
    auto left_behind = sorted.left_behind;
    std::ranges::sort(left_behind);
    auto expected_behind = one.left_behind;
    std::ranges::sort(expected_behind);
    CHECK(left_behind == expected_behind);
  }
}

// What transformers' ViT, DeiT, BEiT and DINOv2 have in common, behind `prefix`.
void add_hf_attention(Case& one, const std::string& prefix, bool key_bias = true) {
  const std::string layer = prefix + "encoder.layer.3.";
  one.published.insert(one.published.end(),
                       {prefix + "embeddings.patch_embeddings.projection.weight", prefix + "embeddings.cls_token"});
  one.expected.push_back("patch_embed.proj.weight = " + prefix + "embeddings.patch_embeddings.projection.weight");
  for (const std::string kind : {"weight", "bias"}) {
    const std::string attention = layer + "attention.attention.";
    one.published.insert(one.published.end(), {attention + "query." + kind, attention + "value." + kind,
                                               layer + "attention.output.dense." + kind});
    std::string key;
    if (kind == "weight" || key_bias) {
      one.published.push_back(attention + "key." + kind);
      key = " + " + attention + "key." + kind + " (k)";
    }
    one.expected.push_back("blocks.3.attn.qkv." + kind + " = " + attention + "query." + kind + " (q)" + key + " + " +
                           attention + "value." + kind + " (v)");
    one.expected.push_back("blocks.3.attn.proj." + kind + " = " + layer + "attention.output.dense." + kind);
  }
}

// What is called otherwise, each beside its canonical name.
void add_renamed(Case& one, const std::vector<std::pair<std::string, std::string>>& names) {
  for (const auto& [published, canonical] : names) {
    one.published.push_back(published);
    one.expected.push_back(canonical + " = " + published);
  }
}

}  // namespace

TEST_CASE("namings: patterns take numbers and rests") {
  const auto matched = match_name("layers.10.blocks.2.norm1.bias", "layers.#.blocks.#.norm1.*");
  REQUIRE(matched.has_value());
  CHECK(matched->numbers == std::vector<std::int64_t>{10, 2});
  CHECK(canonical_name("a.+.b.#.c.*", *matched) == "a.11.b.2.c.bias");
  for (const char* name : {"layers.x.a", "layers..a", "layers.12345.a", "layers.-1.a", "layers.1", "layers.1.ab", ""}) {
    CAPTURE(name);
    CHECK_FALSE(match_name(name, "layers.#.a").has_value());
  }
  CHECK(match_name("layers.1.", "layers.#.*").has_value());
}

TEST_CASE("namings: every rule of the table makes a name of each of its numbers") {
  for (const Naming& naming : namings()) {
    CAPTURE(naming.who);
    for (const Rules rules : {naming.tower, naming.more, naming.beside}) {
      for (const Rule& rule : rules) {
        CAPTURE(rule.published);
        if (rule.canonical.empty()) continue;
        const auto is_number = [](char c) { return c == '#' || c == '+'; };
        CHECK(std::ranges::count_if(rule.canonical, is_number) == std::ranges::count(rule.published, '#'));
        CHECK(rule.canonical.ends_with('*') == rule.published.ends_with('*'));
      }
    }
  }
}

TEST_CASE("namings: transformers' ViT, in a classifier and alone") {
  for (const std::string prefix : {"vit.", "", "model.vit."}) {
    Case one{.who = "transformers' ViT's", .published = {}, .expected = {}};
    add_hf_attention(one, prefix);
    const std::string layer = prefix + "encoder.layer.3.";
    const std::string beside = prefix == "model.vit." ? "model." : "";
    add_renamed(one, {{layer + "layernorm_before.weight", "blocks.3.norm1.weight"},
                      {layer + "layernorm_after.bias", "blocks.3.norm2.bias"},
                      {layer + "intermediate.dense.weight", "blocks.3.mlp.fc1.weight"},
                      {layer + "output.dense.bias", "blocks.3.mlp.fc2.bias"},
                      {prefix + "layernorm.weight", "norm.weight"},
                      {prefix + "embeddings.position_embeddings", "pos_embed"},
                      {beside + "classifier.bias", "head.bias"}});
    one.expected.push_back("cls_token = " + prefix + "embeddings.cls_token");
    one.left_behind = {prefix + "pooler.dense.weight", prefix + "embeddings.mask_token"};
    check_case(one);
  }
}

TEST_CASE("namings: transformers' DeiT: a distillation token without a head is a register") {
  for (const bool has_teacher : {false, true}) {
    Case one{.who = "transformers' DeiT's", .published = {}, .expected = {}};
    add_hf_attention(one, "deit.");
    add_renamed(one, {{"deit.embeddings.distillation_token", has_teacher ? "dist_token" : "reg_token"},
                      {"deit.embeddings.position_embeddings", "pos_embed"}});
    if (has_teacher) {
      add_renamed(one,
                  {{"cls_classifier.weight", "head.weight"}, {"distillation_classifier.weight", "head_dist.weight"}});
    } else {
      add_renamed(one, {{"classifier.weight", "head.weight"}});
    }
    one.expected.emplace_back("cls_token = deit.embeddings.cls_token");
    check_case(one);
  }
}

TEST_CASE("namings: transformers' DINOv2, and with registers, which have no positions") {
  for (const bool has_registers : {false, true}) {
    Case one{.who = has_registers ? "transformers' DINOv2's" : "transformers' ViT's", .published = {}, .expected = {}};
    add_hf_attention(one, "");
    add_renamed(one, {{"encoder.layer.3.norm1.weight", "blocks.3.norm1.weight"},
                      {"encoder.layer.3.norm2.bias", "blocks.3.norm2.bias"},
                      {"encoder.layer.3.layer_scale1.lambda1", "blocks.3.ls1.gamma"},
                      {"encoder.layer.3.layer_scale2.lambda1", "blocks.3.ls2.gamma"},
                      {"encoder.layer.3.mlp.fc1.weight", "blocks.3.mlp.fc1.weight"},
                      {"encoder.layer.3.mlp.fc2.weight", "blocks.3.mlp.fc2.weight"},
                      {"encoder.layer.4.mlp.weights_in.bias", "blocks.4.mlp.fc1.bias"},
                      {"encoder.layer.4.mlp.weights_out.bias", "blocks.4.mlp.fc2.bias"},
                      {"layernorm.bias", "norm.bias"}});
    one.published.emplace_back("embeddings.position_embeddings");
    if (has_registers) {
      add_renamed(one, {{"embeddings.register_tokens", "reg_token"}});
      one.expected.emplace_back("cls_token = embeddings.cls_token + embeddings.position_embeddings (first position)");
      one.expected.emplace_back("pos_embed = embeddings.position_embeddings (behind the first)");
    } else {
      one.expected.emplace_back("cls_token = embeddings.cls_token");
      one.expected.emplace_back("pos_embed = embeddings.position_embeddings");
    }
    one.left_behind = {"embeddings.mask_token"};
    check_case(one);
  }
}

TEST_CASE("namings: transformers' BEiT, whose keys have no bias") {
  Case one{.who = "transformers' ViT's", .published = {}, .expected = {}};
  add_hf_attention(one, "beit.", false);
  add_renamed(one, {{"beit.encoder.layer.3.lambda_1", "blocks.3.ls1.gamma"},
                    {"beit.encoder.layer.3.lambda_2", "blocks.3.ls2.gamma"},
                    {"beit.encoder.layer.3.attention.attention.relative_position_bias.relative_position_bias_table",
                     "blocks.3.attn.relative_position_bias_table"},
                    {"beit.pooler.layernorm.weight", "fc_norm.weight"},
                    {"classifier.weight", "head.weight"}});
  one.expected.emplace_back("cls_token = beit.embeddings.cls_token");
  check_case(one);
}

TEST_CASE("namings: transformers' Swin and Swin V2") {
  const std::string block = "swinv2.encoder.layers.1.blocks.0.";
  const std::string attention = block + "attention.self.";
  Case one{.who = "transformers' Swin's", .published = {}, .expected = {}};
  one.published = {attention + "query.weight", attention + "key.weight", attention + "value.weight",
                   attention + "query.bias", attention + "value.bias"};
  one.expected = {
      "layers.1.blocks.0.attn.qkv.weight = " + attention + "query.weight (q) + " + attention + "key.weight (k) + " +
          attention + "value.weight (v)",
      "layers.1.blocks.0.attn.qkv.bias = " + attention + "query.bias (q) + " + attention + "value.bias (v)"};
  add_renamed(one, {{"swinv2.embeddings.patch_embeddings.projection.weight", "patch_embed.proj.weight"},
                    {"swinv2.embeddings.norm.bias", "patch_embed.norm.bias"},
                    {attention + "relative_position_bias_table", "layers.1.blocks.0.attn.relative_position_bias_table"},
                    {attention + "logit_scale", "layers.1.blocks.0.attn.logit_scale"},
                    {attention + "continuous_position_bias_mlp.0.bias", "layers.1.blocks.0.attn.cpb_mlp.0.bias"},
                    {block + "attention.output.dense.weight", "layers.1.blocks.0.attn.proj.weight"},
                    {block + "layernorm_before.weight", "layers.1.blocks.0.norm1.weight"},
                    {block + "layernorm_after.weight", "layers.1.blocks.0.norm2.weight"},
                    {block + "intermediate.dense.weight", "layers.1.blocks.0.mlp.fc1.weight"},
                    {block + "output.dense.weight", "layers.1.blocks.0.mlp.fc2.weight"},
                    {"swinv2.encoder.layers.0.downsample.reduction.weight", "layers.1.downsample.reduction.weight"},
                    {"swinv2.layernorm.weight", "norm.weight"},
                    {"classifier.bias", "head.fc.bias"}});
  check_case(one);
}

TEST_CASE("namings: transformers' CLIP and SigLIP towers, alone and in whole models") {
  for (const std::string prefix : {"vision_model.", ""}) {
    const std::string layer = prefix + "encoder.layers.3.";
    const std::string attention = layer + "self_attn.";
    Case tower{.who = "transformers' SigLIP's", .published = {}, .expected = {}};
    for (const std::string kind : {"weight", "bias"}) {
      tower.published.insert(tower.published.end(), {attention + "q_proj." + kind, attention + "k_proj." + kind,
                                                     attention + "v_proj." + kind});
      tower.expected.push_back("blocks.3.attn.qkv." + kind + " = " + attention + "q_proj." + kind + " (q) + " +
                               attention + "k_proj." + kind + " (k) + " + attention + "v_proj." + kind + " (v)");
    }
    tower.published.push_back(prefix + "embeddings.position_embedding.weight");
    tower.expected.push_back("pos_embed = " + prefix + "embeddings.position_embedding.weight in three dimensions");
    add_renamed(tower, {{prefix + "embeddings.patch_embedding.weight", "patch_embed.proj.weight"},
                        {attention + "out_proj.bias", "blocks.3.attn.proj.bias"},
                        {layer + "layer_norm1.bias", "blocks.3.norm1.bias"},
                        {layer + "layer_norm2.bias", "blocks.3.norm2.bias"},
                        {layer + "mlp.fc1.weight", "blocks.3.mlp.fc1.weight"},
                        {layer + "mlp.fc2.weight", "blocks.3.mlp.fc2.weight"},
                        {prefix + "post_layernorm.weight", "norm.weight"}});
    if (!prefix.empty()) {
      tower.left_behind = {"text_model.encoder.layers.3.self_attn.q_proj.weight",
                           "text_model.embeddings.position_embedding.weight", "text_projection.weight", "logit_scale",
                           "logit_bias"};
    }

    Case clip = tower;
    clip.who = "transformers' CLIP's";
    clip.published.insert(clip.published.end(),
                          {prefix + "embeddings.class_embedding", prefix + "embeddings.position_ids"});
    clip.expected.push_back("cls_token = " + prefix + "embeddings.class_embedding in three dimensions");
    add_renamed(clip,
                {{prefix + "pre_layrnorm.weight", "norm_pre.weight"}, {"visual_projection.weight", "head.weight"}});
    check_case(clip);

    Case siglip = tower;
    const std::string head = prefix + "head.";
    for (const std::string kind : {"weight", "bias"}) {
      const std::string packed = head + "attention.in_proj_" + kind;
      siglip.published.push_back(packed);
      siglip.expected.push_back("attn_pool.q." + kind + " = " + packed + " (first third)");
      siglip.expected.push_back("attn_pool.kv." + kind + " = " + packed + " (other thirds)");
    }
    add_renamed(siglip, {{head + "probe", "attn_pool.latent"},
                         {head + "attention.out_proj.weight", "attn_pool.proj.weight"},
                         {head + "layernorm.weight", "attn_pool.norm.weight"},
                         {head + "mlp.fc2.bias", "attn_pool.mlp.fc2.bias"}});
    check_case(siglip);

    Case classifier = tower;
    add_renamed(classifier, {{"classifier.weight", "head.weight"}});
    classifier.left_behind.insert(classifier.left_behind.end(), {head + "probe", head + "attention.in_proj_weight"});
    check_case(classifier);
  }
}

TEST_CASE("namings: transformers' DINOv3, plain and gated") {
  for (const bool is_gated : {false, true}) {
    Case one{.who = "transformers' DINOv3's", .published = {}, .expected = {}};
    one.published = {"layer.0.attention.q_proj.weight", "layer.0.attention.k_proj.weight",
                     "layer.0.attention.v_proj.weight", "layer.0.attention.q_proj.bias",
                     "layer.0.attention.v_proj.bias",   "layer.0.mlp.up_proj.weight"};
    one.expected = {
        "blocks.0.attn.qkv.weight = layer.0.attention.q_proj.weight (q) + layer.0.attention.k_proj.weight (k) + "
        "layer.0.attention.v_proj.weight (v)",
        "blocks.0.attn.qkv.bias = layer.0.attention.q_proj.bias (q) + layer.0.attention.v_proj.bias (v)"};
    if (is_gated) {
      one.published.emplace_back("layer.0.mlp.gate_proj.weight");
      one.expected.emplace_back(
          "blocks.0.mlp.fc1.weight = layer.0.mlp.gate_proj.weight (gate) + layer.0.mlp.up_proj.weight (up)");
    } else {
      one.expected.emplace_back("blocks.0.mlp.fc1.weight = layer.0.mlp.up_proj.weight");
    }
    add_renamed(one, {{"embeddings.patch_embeddings.weight", "patch_embed.proj.weight"},
                      {"embeddings.cls_token", "cls_token"},
                      {"embeddings.register_tokens", "reg_token"},
                      {"layer.0.attention.o_proj.weight", "blocks.0.attn.proj.weight"},
                      {"layer.0.layer_scale1.lambda1", "blocks.0.ls1.gamma"},
                      {"layer.0.norm2.weight", "blocks.0.norm2.weight"},
                      {"layer.0.mlp.down_proj.weight", "blocks.0.mlp.fc2.weight"},
                      {"norm.weight", "norm.weight"}});
    one.left_behind = {"embeddings.mask_token"};
    check_case(one);
  }
}

TEST_CASE("namings: CLIP as OpenAI and open_clip store it, and SigLIP of open_clip around timm's tower") {
  Case clip{.who = "OpenAI's CLIP's",
            .published = {"visual.class_embedding", "visual.positional_embedding", "visual.proj"},
            .expected = {"cls_token = visual.class_embedding in three dimensions",
                         "pos_embed = visual.positional_embedding in three dimensions",
                         "head.weight = visual.proj transposed"},
            .left_behind = {"positional_embedding", "transformer.resblocks.0.ln_1.weight", "token_embedding.weight",
                            "text_projection", "logit_scale", "input_resolution"}};
  const std::string block = "visual.transformer.resblocks.3.";
  add_renamed(clip, {{"visual.conv1.weight", "patch_embed.proj.weight"},
                     {"visual.ln_pre.weight", "norm_pre.weight"},
                     {"visual.ln_post.bias", "norm.bias"},
                     {block + "ln_1.weight", "blocks.3.norm1.weight"},
                     {block + "ln_2.weight", "blocks.3.norm2.weight"},
                     {block + "ls_1.gamma", "blocks.3.ls1.gamma"},
                     {block + "attn.in_proj_weight", "blocks.3.attn.qkv.weight"},
                     {block + "attn.in_proj_bias", "blocks.3.attn.qkv.bias"},
                     {block + "attn.out_proj.weight", "blocks.3.attn.proj.weight"},
                     {block + "mlp.c_fc.weight", "blocks.3.mlp.fc1.weight"},
                     {block + "mlp.c_proj.weight", "blocks.3.mlp.fc2.weight"}});
  check_case(clip);

  Case trunk{.who = "open_clip's, around timm's", .published = {}, .expected = {}};
  add_renamed(trunk, {{"visual.trunk.patch_embed.proj.weight", "patch_embed.proj.weight"},
                      {"visual.trunk.attn_pool.kv.weight", "attn_pool.kv.weight"},
                      {"visual.head.proj.weight", "head.weight"}});
  trunk.left_behind = {"text.blocks.0.weight", "logit_bias"};
  check_case(trunk);
}

TEST_CASE("namings: what timm's Eva, BEiT and Swin V2 keep in pieces, and Meta's DINOv2") {
  check_case(
      {.who = "timm's",
       .published = {"patch_embed.proj.weight", "blocks.0.attn.q_proj.weight", "blocks.0.attn.k_proj.weight",
                     "blocks.0.attn.v_proj.weight", "blocks.0.attn.q_proj.bias", "blocks.0.attn.v_proj.bias",
                     "blocks.0.mlp.fc1_g.weight", "blocks.0.mlp.fc1_x.weight", "blocks.0.gamma_1",
                     "blocks.1.attn.q_bias", "blocks.1.attn.v_bias", "blocks.1.attn.qkv.weight"},
       .expected = {"patch_embed.proj.weight = patch_embed.proj.weight",
                    "blocks.0.attn.qkv.weight = blocks.0.attn.q_proj.weight (q) + blocks.0.attn.k_proj.weight "
                    "(k) + blocks.0.attn.v_proj.weight (v)",
                    "blocks.0.attn.qkv.bias = blocks.0.attn.q_proj.bias (q) + blocks.0.attn.v_proj.bias (v)",
                    "blocks.0.mlp.fc1.weight = blocks.0.mlp.fc1_g.weight (gate) + blocks.0.mlp.fc1_x.weight "
                    "(up)",
                    "blocks.0.ls1.gamma = blocks.0.gamma_1", "blocks.1.attn.qkv.weight = blocks.1.attn.qkv.weight",
                    "blocks.1.attn.qkv.bias = blocks.1.attn.q_bias (q) + blocks.1.attn.v_bias (v)"}});
  check_case({.who = "timm's Swin's",
              .published = {"patch_embed.proj.weight", "layers.0.blocks.0.attn.q_bias", "layers.0.blocks.0.attn.v_bias",
                            "layers.1.downsample.norm.weight"},
              .expected = {"patch_embed.proj.weight = patch_embed.proj.weight",
                           "layers.0.blocks.0.attn.qkv.bias = layers.0.blocks.0.attn.q_bias (q) + "
                           "layers.0.blocks.0.attn.v_bias (v)",
                           "layers.1.downsample.norm.weight = layers.1.downsample.norm.weight"}});
  check_case(
      {.who = "Meta's DINOv2's",
       .published = {"patch_embed.proj.weight", "register_tokens", "cls_token", "pos_embed", "blocks.0.mlp.w12.bias",
                     "blocks.0.mlp.w3.weight", "blocks.0.ls1.gamma"},
       .expected = {"patch_embed.proj.weight = patch_embed.proj.weight", "reg_token = register_tokens",
                    "cls_token = cls_token + pos_embed (first position)", "pos_embed = pos_embed (behind the first)",
                    "blocks.0.mlp.fc1.bias = blocks.0.mlp.w12.bias", "blocks.0.mlp.fc2.weight = blocks.0.mlp.w3.weight",
                    "blocks.0.ls1.gamma = blocks.0.ls1.gamma"},
       .left_behind = {"mask_token"}});
}

TEST_CASE("namings: half of what belongs together, and a mix, are errors that name both") {
  const auto sorted = [](std::vector<std::string> names) {
    names.insert(names.begin(), "vit.embeddings.patch_embeddings.projection.weight");
    return sort_names(names);
  };
  const std::string attention = "vit.encoder.layer.0.attention.attention.";
  CHECK_THROWS_WITH_AS(sorted({attention + "query.weight", attention + "value.weight"}),
                       ("of blocks.0.attn.qkv.weight the key is missing: found " + attention + "query.weight and " +
                        attention + "value.weight")
                           .c_str(),
                       Error);
  CHECK_THROWS_WITH_AS(sorted({attention + "key.weight"}), doctest::Contains("the query is missing"), Error);
  CHECK_THROWS_WITH_AS(sorted({attention + "query.bias"}), doctest::Contains("the value is missing"), Error);
  CHECK_THROWS_WITH_AS(sort_names({"patch_embed.proj.weight", "blocks.0.mlp.fc1_x.weight"}),
                       doctest::Contains("the gate is missing"), Error);
  CHECK_THROWS_WITH_AS(sort_names({"patch_embed.proj.weight", "register_tokens", "pos_embed"}),
                       doctest::Contains("of cls_token the tensor itself is missing: found pos_embed"), Error);
  CHECK_THROWS_WITH_AS(sort_names({"patch_embed.proj.weight", "blocks.0.attn.qkv.weight", "blocks.0.attn.q_proj.weight",
                                   "blocks.0.attn.k_proj.weight", "blocks.0.attn.v_proj.weight"}),
                       doctest::Contains("are both blocks.0.attn.qkv.weight; the file mixes two namings"), Error);
  // A name that no rule knows stays, for the model to refuse.
  CHECK(sorted({"vit.embeddings.strange"}).tensors.contains("embeddings.strange"));
}

}  // namespace vitq
