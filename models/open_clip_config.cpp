#include "models/hub_config.h"

namespace vitq {
namespace {

constexpr std::int64_t kHeadWidth = 64;  // open_clip's default

/// The tower of open_clip's own.
Stated own_tower(const JsonConfig& model, const JsonConfig& vision, const ModelConfig& shapes) {
  if (const auto layers = vision.numbers("layers"); layers && layers->size() != 1) {
    vision.refuse("layers", "ViTs; this is a ResNet");
  }
  const std::int64_t dim = shapes.stages().front().dim;
  vision.check_same("width", dim);
  vision.check_same("layers", shapes.stages().front().depth);
  vision.check_same("patch_size", shapes.patch);
  if (vision.truth("attentional_pool").value_or(false)) vision.refuse("attentional_pool", "pooling by the class token");
  if (vision.text("pool_type").value_or("tok") != "tok") vision.refuse("pool_type", "tok");
  if (vision.truth("final_ln_after_pool").value_or(false)) vision.refuse("final_ln_after_pool", "false");
  if (vision.truth("input_patchnorm").value_or(false)) vision.refuse("input_patchnorm", "false");
  Stated says{.eps = vision.number("norm_kwargs.eps").value_or(1e-5),
              .activation = "gelu",
              .pool = "token",
              .head = "projection",
              .rope = "none"};
  if (const auto approximate = vision.text("act_kwargs.approximate")) {
    if (*approximate != "tanh" && *approximate != "none") vision.refuse("act_kwargs.approximate", "tanh and none");
    if (*approximate == "tanh") says.activation = "gelu_tanh";
  }
  if (model.truth("quick_gelu").value_or(false)) says.activation = "quick_gelu";
  const std::int64_t head_width = vision.integer("head_width").value_or(kHeadWidth);
  if (head_width <= 0) vision.refuse("head_width", "at least 1");
  says.heads = dim / head_width;
  return says;
}

/// A tower of timm's inside.
Stated timm_tower(const std::string& name, const JsonConfig& vision) {
  Stated says = blocks_of_timm(name, vision);
  const std::string pool = vision.text("timm_pool").value_or("");
  const std::string projection = vision.text("timm_proj").value_or("");
  if (!pool.empty() && pool != "map" && pool != "token" && pool != "avg") {
    vision.refuse("timm_pool", "map, token and avg");
  }
  if (!projection.empty() && projection != "none" && projection != "linear") {
    vision.refuse("timm_proj", "none and linear");
  }
  if (!pool.empty()) says.pool = pool;
  says.head = "projection";
  return says;
}

}  // namespace

Stated stated_by_open_clip(const JsonConfig& config, const ModelConfig& shapes) {
  const JsonConfig model = config.below("model_cfg");
  const JsonConfig vision = model.below("vision_cfg");
  const auto timm = vision.text("timm_model_name");
  Stated says = timm ? timm_tower(*timm, vision) : own_tower(model, vision, shapes);
  says.image_size = vision.size("image_size");
  const JsonConfig pictures = config.below("preprocess_cfg");
  if (const auto size = pictures.size("size")) says.image_size = size;
  // open_clip's defaults are OpenAI's.
  says.mean = pictures.colours("mean").value_or(std::array{0.48145466F, 0.4578275F, 0.40821073F});
  says.std = pictures.colours("std").value_or(std::array{0.26862954F, 0.26130258F, 0.27577711F});
  says.interpolation = pictures.text("interpolation").value_or("bicubic");
  const std::string mode = pictures.text("resize_mode").value_or("shortest");
  if (mode != "shortest" && mode != "squash") pictures.refuse("resize_mode", "shortest and squash");
  says.resize_mode = mode;
  says.crop_pct = 1.0;
  return says;
}

}  // namespace vitq
