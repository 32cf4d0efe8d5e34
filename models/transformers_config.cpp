#include <algorithm>
#include <iterator>

#include "models/hub_config.h"
#include "models/words.h"
#include "weights/printable.h"

namespace vitq {
namespace {

/// What a kind of configuration says where its file is silent: the defaults of its class.
struct ModelType {
  std::string_view name;
  std::string_view vision = "";  ///< the object that has the picture tower's; empty: the whole file
  std::string_view activation = "gelu";
  double eps = 1e-12;
  std::int64_t heads = 12;  ///< 0: the tensors show them
  std::int64_t image_size = 224;
  std::string_view pool = "token";
  std::string_view head = "classes";
  std::string_view rope = "none";
  std::string_view position_filter = "plain";
};

constexpr ModelType kTypes[] = {
    {.name = "vit"},
    {.name = "deit"},
    {.name = "beit"},
    {.name = "dinov2", .eps = 1e-6},
    {.name = "dinov2_with_registers", .eps = 1e-6, .position_filter = "antialiased"},
    {.name = "dinov3_vit", .eps = 1e-5, .heads = 6, .rope = "dinov3"},
    {.name = "clip", .vision = "vision_config", .activation = "quick_gelu", .eps = 1e-5, .head = "projection"},
    {.name = "clip_vision_model", .activation = "quick_gelu", .eps = 1e-5, .head = "projection"},
    {.name = "siglip", .vision = "vision_config", .activation = "gelu_pytorch_tanh", .eps = 1e-6, .pool = "map"},
    {.name = "siglip_vision_model", .activation = "gelu_pytorch_tanh", .eps = 1e-6, .pool = "map"},
    {.name = "swin", .eps = 1e-5, .heads = 0, .pool = "avg"},
    {.name = "swinv2", .eps = 1e-5, .heads = 0, .image_size = 256, .pool = "avg"},
};

const ModelType& type_of(const JsonConfig& config) {
  const std::string name = config.text("model_type").value_or("");
  const auto* found = std::ranges::find(kTypes, name, &ModelType::name);
  if (found != std::end(kTypes)) return *found;
  std::string known;
  for (const ModelType& type : kTypes) known.append(known.empty() ? "" : ", ").append(type.name);
  config.refuse("model_type", known);
}

/// gelu_fast is the formula of gelu_new in other words (transformers, activations.py).
std::string activation_of(const std::string& name) { return activation_word(name == "gelu_fast" ? "gelu_new" : name); }

constexpr std::string_view kClassifier = "ForImageClassification";

/// The class whose weights they are, of which there is one; "" where it is not said.
std::string class_of(const JsonConfig& config) {
  const auto classes = config.texts("architectures");
  if (!classes || classes->empty()) return "";
  std::string name = classes->front();
  constexpr std::string_view kEndings[] = {"Model", kClassifier, "ForImageClassificationWithTeacher", "WithProjection",
                                           "Backbone"};
  const bool is_known =
      std::ranges::any_of(kEndings, [&](std::string_view ending) { return std::string_view(name).ends_with(ending); });
  if (!is_known || name == "CLIPForImageClassification") {
    config.refuse("architectures", "models, backbones and (but for CLIP) ...ForImageClassification");
  }
  return name;
}

std::string pool_of(const ModelType& type, const JsonConfig& tower, const std::string& class_name) {
  const bool is_classifier = std::string_view(class_name).ends_with(kClassifier);
  if (type.name.starts_with("siglip")) return is_classifier || tower.truth("vision_use_head") == false ? "avg" : "map";
  if (type.name.starts_with("dinov2") && is_classifier) return "token+avg";
  if (type.name == "beit") return tower.truth("use_mean_pooling").value_or(true) ? "avg" : "token";
  return std::string(type.pool);
}

void check_shapes(const ModelType& type, const JsonConfig& tower, const ModelConfig& shapes) {
  tower.check_same("patch_size", shapes.patch);
  if (type.heads == 0) {
    tower.check_same("embed_dim", shapes.stages().front().dim);
    return;
  }
  tower.check_same("hidden_size", shapes.stages().front().dim);
  tower.check_same("num_hidden_layers", shapes.stages().front().depth);
  const auto size = tower.size("image_size");
  if (!size || !size->is_square() || shapes.image_size.pixels() == 0) return;
  if (size->height / shapes.patch != shapes.grid().rows) tower.check_same("image_size", shapes.image_size.height);
}

/// How the pipeline makes scores of logits: softmax, but for two kinds of problem and for one class.
void check_softmax(const JsonConfig& config, const ModelConfig& shapes) {
  const std::string problem = config.text("problem_type").value_or("");
  if (problem == "regression" || problem == "multi_label_classification") {
    config.refuse("problem_type", "classes of which a picture has one (single_label_classification)");
  }
  check(shapes.classes != 1, ErrorCode::kUnsupported, config.file(),
        ": the head has one class, whose score would be a sigmoid; vitq computes the softmax of two or more");
}

/// The labels; transformers leaves its own names of two classes out of the file.
std::optional<std::vector<std::string>> labels_of(const JsonConfig& config, const ModelConfig& shapes) {
  if (auto named = config.numbered_texts("id2label")) return named;
  constexpr std::int64_t kUsualCount = 2;
  if (config.integer("num_labels").value_or(kUsualCount) != shapes.classes) return std::nullopt;
  std::vector<std::string> labels;
  for (std::int64_t i = 0; i < shapes.classes; ++i) labels.push_back("LABEL_" + std::to_string(i));
  return labels;
}

/// What a file can ask for and no tensor shows.
void check_computed(const JsonConfig& config, const JsonConfig& tower) {
  if (config.has("quantization_config")) config.refuse("quantization_config", "float weights");
  if (tower.integer("num_channels").value_or(3) != 3) tower.refuse("num_channels", "3");
  if (tower.truth("use_shared_relative_position_bias").value_or(false)) {
    tower.refuse("use_shared_relative_position_bias", "a table of relative positions in each block");
  }
  if (tower.truth("use_absolute_embeddings").value_or(false)) {
    tower.refuse("use_absolute_embeddings", "Swin without them");
  }
  constexpr double kTheta = 100;
  if (tower.number("rope_theta").value_or(kTheta) != kTheta) tower.refuse("rope_theta", "100");
}

}  // namespace

Stated stated_by_transformers(const JsonConfig& config, const ModelConfig& shapes) {
  const ModelType& type = type_of(config);
  const JsonConfig tower = type.vision.empty() ? config : config.below(std::string(type.vision));
  const std::string class_name = class_of(config);
  check_computed(config, tower);
  if (class_name.find(kClassifier) != std::string::npos) check_softmax(config, shapes);
  check_shapes(type, tower, shapes);
  const PictureSize size = tower.size("image_size").value_or(type.image_size);
  Stated says{.image_size = size,
              .trained_size = size.is_square() ? std::nullopt : std::optional(size),
              .position_filter = std::string(type.position_filter),
              .eps = tower.number("layer_norm_eps").value_or(type.eps),
              .activation = activation_of(tower.text("hidden_act").value_or(std::string(type.activation))),
              .pool = pool_of(type, tower, class_name),
              .head = std::string(type.head),
              .rope = std::string(type.rope),
              .classes = labels_of(config, shapes)};
  if (tower.truth("use_swiglu_ffn").value_or(false)) says.activation = "silu";  // whatever hidden_act is
  if (type.name == "swinv2") {
    constexpr std::int64_t kUsualWindow = 7;
    says.window = tower.side("window_size").value_or(kUsualWindow);
    says.trained_windows = tower.integers("pretrained_window_sizes").value_or(std::vector<std::int64_t>());
  }
  if (type.heads > 0) says.heads = tower.integer("num_attention_heads").value_or(type.heads);
  return says;
}

}  // namespace vitq
