#include "weights/namings.h"

namespace vitq {
namespace {

using enum Share;

// timm's own models where they keep in pieces what others pack: Eva, Beit, Swin V2 (timm 1.0; the same in the original
// repositories of BEiT and Swin V2); and SwiGLU as Meta's DINOv2 packs it.
constexpr Rule kTimm[] = {
    {"blocks.#.attn.q_proj.*", "blocks.#.attn.qkv.*", kQuery},
    {"blocks.#.attn.k_proj.*", "blocks.#.attn.qkv.*", kKey},
    {"blocks.#.attn.v_proj.*", "blocks.#.attn.qkv.*", kValue},
    {"blocks.#.attn.q_bias", "blocks.#.attn.qkv.bias", kQuery},
    {"blocks.#.attn.k_bias", "blocks.#.attn.qkv.bias", kKey},
    {"blocks.#.attn.v_bias", "blocks.#.attn.qkv.bias", kValue},
    {"blocks.#.mlp.fc1_g.*", "blocks.#.mlp.fc1.*", kGate},
    {"blocks.#.mlp.fc1_x.*", "blocks.#.mlp.fc1.*", kUp},
    {"blocks.#.mlp.w12.*", "blocks.#.mlp.fc1.*"},
    {"blocks.#.mlp.w3.*", "blocks.#.mlp.fc2.*"},
    {"blocks.#.gamma_1", "blocks.#.ls1.gamma"},
    {"blocks.#.gamma_2", "blocks.#.ls2.gamma"},
    {"layers.#.blocks.#.attn.q_bias", "layers.#.blocks.#.attn.qkv.bias", kQuery},
    {"layers.#.blocks.#.attn.k_bias", "layers.#.blocks.#.attn.qkv.bias", kKey},
    {"layers.#.blocks.#.attn.v_bias", "layers.#.blocks.#.attn.qkv.bias", kValue},
};

// Microsoft's Swin and old timm put a downsample at the end of a stage, current timm at the beginning of the next.
constexpr Rule kDownsampleEndsStage[] = {
    {"layers.#.downsample.*", "layers.+.downsample.*"},
    {"head.weight", "head.fc.weight"},
    {"head.bias", "head.fc.bias"},
};
constexpr Rule kSwinHead[] = {
    {"head.weight", "head.fc.weight"},
    {"head.bias", "head.fc.bias"},
};

// open_clip around a tower of timm's, with a projection of its own.
constexpr Rule kBesideTrunk[] = {
    {"head.proj.*", "head.*"},
};

// Meta's DINOv2 adds a position to the class token and none to the registers, which are put in between afterwards; timm
// keeps positions of patches alone. The sum is the one that the pass would make.
constexpr Rule kMetaRegisters[] = {
    {"register_tokens", "reg_token"},
    {"cls_token", "cls_token"},
    {"pos_embed", "cls_token", kPositionAdded},
    {"pos_embed", "pos_embed", kPositionsBehind},
};

// OpenAI's CLIP and open_clip.
constexpr Rule kOpenClip[] = {
    {"conv1.weight", "patch_embed.proj.weight"},
    {"conv1.bias", "patch_embed.proj.bias"},
    {"class_embedding", "cls_token", kThreeDims},
    {"positional_embedding", "pos_embed", kThreeDims},
    {"ln_pre.*", "norm_pre.*"},
    {"ln_post.*", "norm.*"},
    {"proj", "head.weight", kTransposed},
    {"transformer.resblocks.#.ln_1.*", "blocks.#.norm1.*"},
    {"transformer.resblocks.#.ln_2.*", "blocks.#.norm2.*"},
    {"transformer.resblocks.#.ls_1.gamma", "blocks.#.ls1.gamma"},
    {"transformer.resblocks.#.ls_2.gamma", "blocks.#.ls2.gamma"},
    {"transformer.resblocks.#.attn.in_proj_weight", "blocks.#.attn.qkv.weight"},
    {"transformer.resblocks.#.attn.in_proj_bias", "blocks.#.attn.qkv.bias"},
    {"transformer.resblocks.#.attn.out_proj.*", "blocks.#.attn.proj.*"},
    {"transformer.resblocks.#.mlp.c_fc.*", "blocks.#.mlp.fc1.*"},
    {"transformer.resblocks.#.mlp.c_proj.*", "blocks.#.mlp.fc2.*"},
};

// transformers, from here on (5.24). What its ViT, DeiT, BEiT and DINOv2 have in common.
constexpr Rule kHfVit[] = {
    {"embeddings.mask_token", ""},
    {"embeddings.patch_embeddings.projection.*", "patch_embed.proj.*"},
    {"encoder.layer.#.attention.attention.query.*", "blocks.#.attn.qkv.*", kQuery},
    {"encoder.layer.#.attention.attention.key.*", "blocks.#.attn.qkv.*", kKey},
    {"encoder.layer.#.attention.attention.value.*", "blocks.#.attn.qkv.*", kValue},
    {"encoder.layer.#.attention.output.dense.*", "blocks.#.attn.proj.*"},
    {"encoder.layer.#.attention.attention.relative_position_bias.relative_position_bias_table",
     "blocks.#.attn.relative_position_bias_table"},
    {"encoder.layer.#.layernorm_before.*", "blocks.#.norm1.*"},
    {"encoder.layer.#.layernorm_after.*", "blocks.#.norm2.*"},
    {"encoder.layer.#.intermediate.dense.*", "blocks.#.mlp.fc1.*"},
    {"encoder.layer.#.output.dense.*", "blocks.#.mlp.fc2.*"},
    {"encoder.layer.#.lambda_1", "blocks.#.ls1.gamma"},
    {"encoder.layer.#.lambda_2", "blocks.#.ls2.gamma"},
    {"encoder.layer.#.norm1.*", "blocks.#.norm1.*"},
    {"encoder.layer.#.norm2.*", "blocks.#.norm2.*"},
    {"encoder.layer.#.layer_scale1.lambda1", "blocks.#.ls1.gamma"},
    {"encoder.layer.#.layer_scale2.lambda1", "blocks.#.ls2.gamma"},
    {"encoder.layer.#.mlp.fc1.*", "blocks.#.mlp.fc1.*"},
    {"encoder.layer.#.mlp.fc2.*", "blocks.#.mlp.fc2.*"},
    {"encoder.layer.#.mlp.weights_in.*", "blocks.#.mlp.fc1.*"},
    {"encoder.layer.#.mlp.weights_out.*", "blocks.#.mlp.fc2.*"},
    {"layernorm.*", "norm.*"},
    {"pooler.layernorm.*", "fc_norm.*"},
    {"pooler.dense.*", ""},  // ViTModel's and DeiTModel's: behind what a classifier takes
};
constexpr Rule kHfTokens[] = {
    {"embeddings.cls_token", "cls_token"},
    {"embeddings.position_embeddings", "pos_embed"},
};
// A distillation token that has a head of its own, and one that has none: then nothing reads it, as a register.
constexpr Rule kHfTokensOfTeacher[] = {
    {"embeddings.cls_token", "cls_token"},
    {"embeddings.distillation_token", "dist_token"},
    {"embeddings.position_embeddings", "pos_embed"},
};
constexpr Rule kHfTokensOfDeit[] = {
    {"embeddings.cls_token", "cls_token"},
    {"embeddings.distillation_token", "reg_token"},
    {"embeddings.position_embeddings", "pos_embed"},
};
constexpr Rule kHfRegisters[] = {
    {"embeddings.register_tokens", "reg_token"},
    {"embeddings.cls_token", "cls_token"},
    {"embeddings.position_embeddings", "cls_token", kPositionAdded},
    {"embeddings.position_embeddings", "pos_embed", kPositionsBehind},
};
constexpr Rule kHfClassifier[] = {
    {"classifier.*", "head.*"},
};
constexpr Rule kHfTwoClassifiers[] = {
    {"cls_classifier.*", "head.*"},
    {"distillation_classifier.*", "head_dist.*"},
};

// Swin and Swin V2.
constexpr Rule kHfSwin[] = {
    {"embeddings.mask_token", ""},
    {"embeddings.patch_embeddings.projection.*", "patch_embed.proj.*"},
    {"embeddings.norm.*", "patch_embed.norm.*"},
    {"encoder.layers.#.blocks.#.attention.self.query.*", "layers.#.blocks.#.attn.qkv.*", kQuery},
    {"encoder.layers.#.blocks.#.attention.self.key.*", "layers.#.blocks.#.attn.qkv.*", kKey},
    {"encoder.layers.#.blocks.#.attention.self.value.*", "layers.#.blocks.#.attn.qkv.*", kValue},
    {"encoder.layers.#.blocks.#.attention.self.relative_position_bias_table",
     "layers.#.blocks.#.attn.relative_position_bias_table"},
    {"encoder.layers.#.blocks.#.attention.self.logit_scale", "layers.#.blocks.#.attn.logit_scale"},
    {"encoder.layers.#.blocks.#.attention.self.continuous_position_bias_mlp.*", "layers.#.blocks.#.attn.cpb_mlp.*"},
    {"encoder.layers.#.blocks.#.attention.output.dense.*", "layers.#.blocks.#.attn.proj.*"},
    {"encoder.layers.#.blocks.#.layernorm_before.*", "layers.#.blocks.#.norm1.*"},
    {"encoder.layers.#.blocks.#.layernorm_after.*", "layers.#.blocks.#.norm2.*"},
    {"encoder.layers.#.blocks.#.intermediate.dense.*", "layers.#.blocks.#.mlp.fc1.*"},
    {"encoder.layers.#.blocks.#.output.dense.*", "layers.#.blocks.#.mlp.fc2.*"},
    {"encoder.layers.#.downsample.*", "layers.+.downsample.*"},
    {"layernorm.*", "norm.*"},
};
constexpr Rule kHfSwinClassifier[] = {
    {"classifier.*", "head.fc.*"},
};

// The vision towers of CLIP and SigLIP. "pre_layrnorm" is theirs.
constexpr Rule kHfClip[] = {
    {"embeddings.class_embedding", "cls_token", kThreeDims},
    {"embeddings.patch_embedding.*", "patch_embed.proj.*"},
    {"embeddings.position_embedding.weight", "pos_embed", kThreeDims},
    {"pre_layrnorm.*", "norm_pre.*"},
    {"post_layernorm.*", "norm.*"},
    {"encoder.layers.#.self_attn.q_proj.*", "blocks.#.attn.qkv.*", kQuery},
    {"encoder.layers.#.self_attn.k_proj.*", "blocks.#.attn.qkv.*", kKey},
    {"encoder.layers.#.self_attn.v_proj.*", "blocks.#.attn.qkv.*", kValue},
    {"encoder.layers.#.self_attn.out_proj.*", "blocks.#.attn.proj.*"},
    {"encoder.layers.#.layer_norm1.*", "blocks.#.norm1.*"},
    {"encoder.layers.#.layer_norm2.*", "blocks.#.norm2.*"},
    {"encoder.layers.#.mlp.fc1.*", "blocks.#.mlp.fc1.*"},
    {"encoder.layers.#.mlp.fc2.*", "blocks.#.mlp.fc2.*"},
};
constexpr Rule kHfSiglipHead[] = {
    {"head.probe", "attn_pool.latent"},
    {"head.attention.in_proj_weight", "attn_pool.q.weight", kFirstThird},
    {"head.attention.in_proj_weight", "attn_pool.kv.weight", kOtherThirds},
    {"head.attention.in_proj_bias", "attn_pool.q.bias", kFirstThird},
    {"head.attention.in_proj_bias", "attn_pool.kv.bias", kOtherThirds},
    {"head.attention.out_proj.*", "attn_pool.proj.*"},
    {"head.layernorm.*", "attn_pool.norm.*"},
    {"head.mlp.*", "attn_pool.mlp.*"},
};
// SiglipForImageClassification takes the mean of all tokens; the attention pooling stands in the file and is not used.
constexpr Rule kNoSiglipHead[] = {
    {"head.*", ""},
};
constexpr Rule kHfProjection[] = {
    {"visual_projection.*", "head.*"},
};

constexpr Rule kHfDinov3[] = {
    {"embeddings.mask_token", ""},
    {"embeddings.cls_token", "cls_token"},
    {"embeddings.register_tokens", "reg_token"},
    {"embeddings.patch_embeddings.*", "patch_embed.proj.*"},
    {"layer.#.attention.q_proj.*", "blocks.#.attn.qkv.*", kQuery},
    {"layer.#.attention.k_proj.*", "blocks.#.attn.qkv.*", kKey},
    {"layer.#.attention.v_proj.*", "blocks.#.attn.qkv.*", kValue},
    {"layer.#.attention.o_proj.*", "blocks.#.attn.proj.*"},
    {"layer.#.layer_scale1.lambda1", "blocks.#.ls1.gamma"},
    {"layer.#.layer_scale2.lambda1", "blocks.#.ls2.gamma"},
    {"layer.#.norm1.*", "blocks.#.norm1.*"},
    {"layer.#.norm2.*", "blocks.#.norm2.*"},
    {"layer.#.mlp.down_proj.*", "blocks.#.mlp.fc2.*"},
    {"norm.*", "norm.*"},
};
constexpr Rule kPlainMlp[] = {
    {"layer.#.mlp.up_proj.*", "blocks.#.mlp.fc1.*"},
};
constexpr Rule kGatedMlp[] = {
    {"layer.#.mlp.gate_proj.*", "blocks.#.mlp.fc1.*", kGate},
    {"layer.#.mlp.up_proj.*", "blocks.#.mlp.fc1.*", kUp},
};

constexpr std::string_view kPatchEmbed = "patch_embed.proj.weight";
constexpr std::string_view kHfPatchEmbed = "embeddings.patch_embeddings.projection.weight";
constexpr std::string_view kHfClipPatchEmbed = "embeddings.patch_embedding.weight";
constexpr std::string_view kHfDinov3PatchEmbed = "embeddings.patch_embeddings.weight";

constexpr Naming kNamings[] = {
    {.who = "official Swin's",
     .anchor = kPatchEmbed,
     .needs = "layers.0.downsample.",
     .tower = kDownsampleEndsStage,
     .more = kTimm},
    {.who = "timm's Swin's", .anchor = kPatchEmbed, .needs = "layers.", .tower = kSwinHead, .more = kTimm},
    {.who = "open_clip's, around timm's",
     .anchor = kPatchEmbed,
     .under = "trunk.",
     .more = kTimm,
     .beside = kBesideTrunk},
    {.who = "Meta's DINOv2's",
     .anchor = kPatchEmbed,
     .needs = "register_tokens",
     .tower = kMetaRegisters,
     .more = kTimm},
    {.who = "timm's", .anchor = kPatchEmbed, .more = kTimm},
    {.who = "OpenAI's CLIP's", .anchor = "class_embedding", .needs = "conv1.weight", .tower = kOpenClip},
    {.who = "transformers' Swin's",
     .anchor = kHfPatchEmbed,
     .needs = "encoder.layers.",
     .tower = kHfSwin,
     .beside = kHfSwinClassifier},
    {.who = "transformers' DINOv2's",
     .anchor = kHfPatchEmbed,
     .needs = "embeddings.register_tokens",
     .tower = kHfRegisters,
     .more = kHfVit,
     .beside = kHfClassifier},
    {.who = "transformers' DeiT's",
     .anchor = kHfPatchEmbed,
     .needs = "embeddings.distillation_token",
     .beside_it = "distillation_classifier.weight",
     .tower = kHfTokensOfTeacher,
     .more = kHfVit,
     .beside = kHfTwoClassifiers},
    {.who = "transformers' DeiT's",
     .anchor = kHfPatchEmbed,
     .needs = "embeddings.distillation_token",
     .tower = kHfTokensOfDeit,
     .more = kHfVit,
     .beside = kHfClassifier},
    {.who = "transformers' ViT's",
     .anchor = kHfPatchEmbed,
     .tower = kHfTokens,
     .more = kHfVit,
     .beside = kHfClassifier},
    {.who = "transformers' CLIP's",
     .anchor = kHfClipPatchEmbed,
     .needs = "embeddings.class_embedding",
     .tower = kHfClip,
     .beside = kHfProjection},
    {.who = "transformers' SigLIP's",
     .anchor = kHfClipPatchEmbed,
     .beside_it = "classifier.weight",
     .tower = kNoSiglipHead,
     .more = kHfClip,
     .beside = kHfClassifier},
    {.who = "transformers' SigLIP's", .anchor = kHfClipPatchEmbed, .tower = kHfSiglipHead, .more = kHfClip},
    {.who = "transformers' DINOv3's",
     .anchor = kHfDinov3PatchEmbed,
     .needs = "layer.0.mlp.gate_proj.weight",
     .tower = kGatedMlp,
     .more = kHfDinov3},
    {.who = "transformers' DINOv3's",
     .anchor = kHfDinov3PatchEmbed,
     .needs = "layer.",
     .tower = kPlainMlp,
     .more = kHfDinov3},
};

}  // namespace

std::span<const Naming> namings() { return kNamings; }

}  // namespace vitq
