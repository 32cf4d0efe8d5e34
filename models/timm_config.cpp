#include <algorithm>
#include <iterator>

#include "models/hub_config.h"
#include "models/statements.h"
#include "models/words.h"
#include "weights/printable.h"

namespace vitq {
namespace {

/// What the name of an architecture says of its blocks, beside windows_of_name, where no tensor shows it (timm 1.0.31,
/// the register of vision_transformer.py, eva.py, beit.py, deit.py and swin_transformer*.py). The first row that fits
/// counts.
struct Family {
  std::string_view begin;
  std::string_view word = "";
  double eps = 1e-6;
  std::string_view activation = "gelu";
  std::string_view rope = "none";
  std::int64_t heads = 0;         ///< where they are not of the usual 64 values; 0: they are
  std::string_view refused = "";  ///< what vitq does not compute
};

constexpr Family kFamilies[] = {
    {.begin = "vit_", .word = "_rope_", .refused = "no rotary embedding of this kind"},
    {.begin = "vit_", .word = "_rpn_", .refused = "no block with its norms behind the branches"},
    {.begin = "vit_pe_", .refused = "no Perception Encoder"},
    {.begin = "vit_", .word = "_lingbot", .refused = "no LingBot"},
    {.begin = "vit_", .word = "_sapiens2", .refused = "no Sapiens2"},
    {.begin = "eva02_enormous", .refused = "no block with its norms behind the branches"},
    {.begin = "vit_7b_", .word = "_dinov3", .eps = 1e-5, .activation = "silu", .rope = "dinov3", .heads = 32},
    {.begin = "vit_huge_plus_", .word = "_dinov3", .eps = 1e-5, .activation = "silu", .rope = "dinov3", .heads = 20},
    {.begin = "vit_small_plus_", .word = "_dinov3", .eps = 1e-5, .activation = "silu", .rope = "dinov3"},
    {.begin = "vit_", .word = "_dinov3", .eps = 1e-5, .rope = "dinov3"},
    {.begin = "vit_", .word = "_clip_quickgelu_", .eps = 1e-5, .activation = "quick_gelu"},
    {.begin = "vit_", .word = "_clip_", .eps = 1e-5},
    {.begin = "vit_giant", .word = "_dinov2", .activation = "silu"},
    {.begin = "vit_giant_patch14_reg1_tipsv2", .activation = "silu"},
    {.begin = "vit_base_patch32_siglip", .activation = "gelu_tanh"},
    {.begin = "vit_large_patch16_siglip", .word = "_512", .activation = "gelu_tanh"},
    {.begin = "vit_so400m_patch16_siglip", .activation = "gelu_tanh"},
    {.begin = "vit_giantopt_patch16_siglip", .activation = "gelu_tanh", .heads = 16},
    {.begin = "aimv2_", .eps = 1e-5, .activation = "silu"},
    {.begin = "eva02_", .activation = "silu", .rope = "eva02"},
    {.begin = "eva_"},
    {.begin = "beit3_", .eps = 1e-5},
    {.begin = "beit"},
    {.begin = "swin", .eps = 1e-5},
    {.begin = "vit_"},
    {.begin = "deit"},
    {.begin = "flexivit"},
    {.begin = "test_vit3", .refused = "no attention pooling of prefix tokens"},
    {.begin = "test_vit", .heads = 2},
};

bool has(std::string_view text, std::string_view word) { return text.find(word) != std::string_view::npos; }

/// Arguments that tensors or the rest of the file show, or that only training feels.
constexpr std::string_view kShown[] = {
    "act_layer",        "class_token",     "depth",
    "depths",           "drop_path_rate",  "drop_rate",
    "dynamic_img_size", "embed_dim",       "fc_norm",
    "final_norm",       "global_pool",     "img_size",
    "in_chans",         "init_values",     "mlp_ratio",
    "no_embed_class",   "num_classes",     "num_heads",
    "patch_size",       "pos_embed",       "pre_norm",
    "proj_bias",        "proj_drop_rate",  "attn_drop_rate",
    "pos_drop_rate",    "patch_drop_rate", "qk_norm",
    "qkv_bias",         "reg_tokens",      "scale_attn_norm",
    "scale_mlp_norm",   "strict_img_size", "window_size",
    "always_partition", "weight_init",     "pretrained_window_sizes",
};

void check_arguments(const JsonConfig& arguments) {
  for (const std::string& key : arguments.keys()) {
    if (std::ranges::find(kShown, key) == std::end(kShown)) arguments.refuse(key, "models without this argument");
  }
  if (arguments.integer("in_chans").value_or(3) != 3) arguments.refuse("in_chans", "3");
}

}  // namespace

Stated blocks_of_timm(const std::string& architecture, const JsonConfig& config) {
  const auto fits = [&](const Family& family) {
    return architecture.starts_with(family.begin) && has(architecture, family.word);
  };
  const auto* family = std::ranges::find_if(kFamilies, fits);
  if (family == std::end(kFamilies)) return {};  // a name of somebody's own
  check(family->refused.empty(), ErrorCode::kUnsupported, config.file(), ": architecture is ", printable(architecture),
        ", vitq computes ", family->refused);
  Stated says = windows_of_name(architecture);
  if (family->heads > 0) says.heads = family->heads;
  says.eps = family->eps;
  says.activation = family->activation;
  says.rope = family->rope;
  return says;
}

Stated stated_by_timm(const JsonConfig& config) {
  const std::string architecture = config.text("architecture").value_or("");
  Stated says = blocks_of_timm(architecture, config);
  if (!architecture.empty()) says.name = architecture;
  const JsonConfig arguments = config.below("model_args");
  check_arguments(arguments);
  if (arguments.has("num_heads") && arguments.numbers("num_heads")->size() == 1) {
    says.heads = arguments.integer("num_heads");
  }
  if (const auto activation = arguments.text("act_layer")) says.activation = activation_word(*activation);
  if (architecture.starts_with("swinv2_")) {
    if (const auto window = arguments.side("window_size")) says.window = window;
    if (const auto trained = arguments.integers("pretrained_window_sizes")) says.trained_windows = trained;
  }
  const JsonConfig pretrained = config.below("pretrained_cfg");
  says.pool = arguments.text("global_pool");
  if (!says.pool) says.pool = config.text("global_pool");
  if (says.pool == "") says.pool = "token";
  says.mean = pretrained.colours("mean");
  says.std = pretrained.colours("std");
  says.crop_pct = pretrained.number("crop_pct");
  says.interpolation = pretrained.text("interpolation");
  if (const auto mode = pretrained.text("crop_mode")) {
    if (!resize_mode_named(*mode == "center" ? "shortest" : *mode)) {
      pretrained.refuse("crop_mode", "center, squash and border");
    }
    says.resize_mode = *mode == "center" ? "shortest" : *mode;
  }
  if (const auto size = pretrained.numbers("input_size"); size && size->size() == 3) {
    says.image_size = PictureSize(static_cast<std::int64_t>((*size)[1]), static_cast<std::int64_t>((*size)[2]));
  }
  if (const auto size = arguments.size("img_size")) says.image_size = size;
  if (says.image_size && !says.image_size->is_square()) says.trained_size = says.image_size;
  says.classes = config.texts("label_names");
  // The head of a CLIP tower projects, until somebody trains it to classify: then the tag says so.
  const std::string tag = pretrained.text("tag").value_or("");
  const bool is_clip = has(architecture, "_clip_") && !says.classes;
  says.head = is_clip && !tag.empty() && !has(tag, "_ft_") ? "projection" : "classes";
  return says;
}

}  // namespace vitq
