// What the configuration files of transformers, timm and open_clip say, and what of it is refused.
#include "models/hub_config.h"

#include <doctest/doctest.h>

#include "models/describe.h"
#include "models/hub_folder.h"
#include "tests/small_models.h"
#include "tests/temporary_folder.h"

using namespace vitq;

namespace {

/// A folder with configuration files alone.
struct Files {
  test::TemporaryFolder folder;

  [[nodiscard]] JsonConfig config(const std::string& text) const {
    auto config = JsonConfig::read(folder.write("config.json", text));
    REQUIRE(config.has_value());
    return *std::move(config);
  }
};

/// [2 blocks of 64, 32 pixels in patches of 8]
const ModelConfig& shapes() {
  static const ModelConfig kShapes = test::small_vit(false);
  return kShapes;
}

Stated of_transformers(const std::string& text) {
  const Files files;
  return stated_by_transformers(files.config(text), shapes());
}

Stated of_preprocessor(const std::string& text) {
  const Files files;
  return stated_by_preprocessor(files.config(text));
}

Stated of_timm(const std::string& text) {
  const Files files;
  return stated_by_timm(files.config(text));
}

Stated of_open_clip(const std::string& text) {
  const Files files;
  return stated_by_open_clip(files.config(text), shapes());
}

template <class Read>
void check_refused(Read&& read, const std::string& text, const char* message,
                   ErrorCode code = ErrorCode::kUnsupported) {
  CAPTURE(text);
  try {
    read(text);
    FAIL("it was taken");
  } catch (const Error& error) {
    const std::string what = error.what();
    CAPTURE(what);
    CHECK(what.find("config.json: ") != std::string::npos);
    CHECK(what.find(message) != std::string::npos);
    CHECK(error.code() == code);
  }
}

}  // namespace

TEST_CASE("hub config: transformers' kinds of model, what they say and what their classes assume") {
  const Stated vit = of_transformers(R"({"model_type": "vit", "architectures": ["ViTForImageClassification"],
    "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2, "hidden_act": "gelu_new", "image_size": 32,
    "layer_norm_eps": 1e-7, "patch_size": 8, "id2label": {"0": "cat", "1": "dog"}})");
  CHECK(vit.heads == 2);
  CHECK(vit.eps == 1e-7);
  CHECK(vit.activation == "gelu_tanh");
  CHECK(vit.pool == "token");
  CHECK(vit.image_size == 32);
  CHECK(vit.classes == std::vector<std::string>{"cat", "dog"});
  // A whole model's picture tower, most of it unsaid.
  const Stated siglip = of_transformers(R"({"model_type": "siglip", "architectures": ["SiglipModel"],
    "text_config": {"hidden_act": "relu"}, "vision_config": {"image_size": 32}})");
  CHECK(siglip.activation == "gelu_tanh");
  CHECK(siglip.eps == 1e-6);
  CHECK(siglip.heads == 12);
  CHECK(siglip.pool == "map");
  const Stated clip = of_transformers(R"({"model_type": "clip", "vision_config": {"image_size": 32}})");
  CHECK(clip.activation == "quick_gelu");
  CHECK(clip.eps == 1e-5);
  CHECK(clip.head == "projection");
  struct Row {
    const char* text;
    const char* pool;
    double eps;
    const char* activation;
  };
  const Row rows[] = {
      {R"({"model_type": "deit", "image_size": 32})", "token", 1e-12, "gelu"},
      {R"({"model_type": "beit", "image_size": 32})", "avg", 1e-12, "gelu"},
      {R"({"model_type": "beit", "image_size": 32, "use_mean_pooling": false})", "token", 1e-12, "gelu"},
      {R"({"model_type": "dinov2", "image_size": 32})", "token", 1e-6, "gelu"},
      {R"({"model_type": "dinov2", "image_size": 32, "use_swiglu_ffn": true})", "token", 1e-6, "silu"},
      {R"({"model_type": "dinov2_with_registers", "image_size": 32,
           "architectures": ["Dinov2WithRegistersForImageClassification"]})",
       "token+avg", 1e-6, "gelu"},
      {R"({"model_type": "dinov3_vit", "image_size": 32, "hidden_act": "silu"})", "token", 1e-5, "silu"},
      {R"({"model_type": "siglip_vision_model", "image_size": 32})", "map", 1e-6, "gelu_tanh"},
      {R"({"model_type": "siglip", "architectures": ["SiglipForImageClassification"], "vision_config":
           {"image_size": 32}})",
       "avg", 1e-6, "gelu_tanh"},
      {R"({"model_type": "swin"})", "avg", 1e-5, "gelu"},
      {R"({"model_type": "swinv2"})", "avg", 1e-5, "gelu"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    const Stated says = of_transformers(row.text);
    CHECK(says.pool == row.pool);
    CHECK(says.eps == row.eps);
    CHECK(says.activation == row.activation);
  }
}

TEST_CASE("hub config: classes that a file of transformers does not name have transformers' own names") {
  const Files files;
  const auto labels = [&](const std::string& text, std::int64_t classes) {
    ModelConfig config = shapes();
    config.classes = classes;
    return stated_by_transformers(files.config(text), config).classes;
  };
  CHECK(labels(R"({"model_type": "vit"})", 2) == std::vector<std::string>{"LABEL_0", "LABEL_1"});
  CHECK(labels(R"({"model_type": "vit", "num_labels": 3})", 3) ==
        std::vector<std::string>{"LABEL_0", "LABEL_1", "LABEL_2"});
  // transformers would not load these weights; the names are not known.
  CHECK(labels(R"({"model_type": "vit"})", 3) == std::nullopt);
}

TEST_CASE("hub config: the windows of a Swin V2, of transformers and of timm") {
  using Windows = std::vector<std::int64_t>;
  const Stated plain = of_transformers(R"({"model_type": "swinv2"})");
  CHECK(plain.window == 7);
  CHECK(plain.trained_windows == Windows());
  const Stated trained = of_transformers(R"({"model_type": "swinv2", "window_size": 24,
    "pretrained_window_sizes": [12, 12, 12, 6]})");
  CHECK(trained.window == 24);
  CHECK(trained.trained_windows == Windows{12, 12, 12, 6});
  CHECK_FALSE(of_transformers(R"({"model_type": "swin", "window_size": 7})").window.has_value());
  const Stated named = of_timm(R"({"architecture": "swinv2_base_window12to16_192to256"})");
  CHECK(named.window == 16);
  CHECK(named.trained_windows == Windows{12, 12, 12, 6});
  CHECK(named.image_size == 256);
  CHECK(named.eps == 1e-5);
  const Stated own = of_timm(R"({"architecture": "swinv2_tiny_window8_256", "model_args": {"window_size": [4, 4],
    "pretrained_window_sizes": [2, 2, 2, 0], "img_size": 128}})");
  CHECK(own.window == 4);
  CHECK(own.trained_windows == Windows{2, 2, 2, 0});
  CHECK(own.image_size == 128);
  check_refused(of_timm, R"({"architecture": "swinv2_tiny_window8_256", "model_args": {"window_size": [4, 8]}})",
                "window_size is 4 x 8, vitq computes squares");
  check_refused(of_transformers, R"({"model_type": "swinv2", "pretrained_window_sizes": [12, 6.5]})",
                "pretrained_window_sizes is 12, expected whole numbers", ErrorCode::kFormat);
}

TEST_CASE("hub config: what transformers' files ask for and vitq does not compute is refused by name") {
  check_refused(of_transformers, R"({"model_type": "convnext"})", "model_type is convnext, vitq computes vit, deit");
  check_refused(of_transformers, R"({"model_type": "vit", "num_channels": 1})", "num_channels is 1, vitq computes 3");
  check_refused(of_transformers, R"({"model_type": "vit", "architectures": ["ViTForMaskedImageModeling"]})",
                "architectures is ViTForMaskedImageModeling");
  check_refused(of_transformers, R"({"model_type": "clip", "architectures": ["CLIPForImageClassification"]})",
                "architectures is CLIPForImageClassification");
  check_refused(of_transformers, R"({"model_type": "vit", "quantization_config": {"bits": 4}})",
                "quantization_config is an object, vitq computes float weights");
  for (const char* problem : {"regression", "multi_label_classification"}) {
    check_refused(of_transformers,
                  R"({"model_type": "vit", "architectures": ["ViTForImageClassification"],
      "problem_type": ")" +
                      std::string(problem) + "\"}",
                  "vitq computes classes of which a picture has one (single_label_classification)");
  }
  const auto of_one_class = [](const std::string& text) {
    const Files files;
    ModelConfig config = shapes();
    config.classes = 1;
    return stated_by_transformers(files.config(text), config);
  };
  check_refused(of_one_class, R"({"model_type": "vit", "architectures": ["ViTForImageClassification"]})",
                "the head has one class");
  check_refused(of_transformers, R"({"model_type": "beit", "use_shared_relative_position_bias": true})",
                "use_shared_relative_position_bias is true");
  check_refused(of_transformers, R"({"model_type": "dinov3_vit", "rope_theta": 10000})", "rope_theta is 10000");
  check_refused(of_transformers, R"({"model_type": "vit", "image_size": [32, 40.5]})", "expected whole numbers",
                ErrorCode::kFormat);
  const auto of_another = [](const std::string& text, const char* message) {
    check_refused(of_transformers, text, message, ErrorCode::kFormat);
  };
  of_another(R"({"model_type": "vit", "hidden_size": 384})", "hidden_size is 384, the tensors have 64");
  of_another(R"({"model_type": "clip", "vision_config": {"num_hidden_layers": 12}})",
             "vision_config.num_hidden_layers is 12, the tensors have 2");
  of_another(R"({"model_type": "vit", "patch_size": 16})", "patch_size is 16, the tensors have 8");
  of_another(R"({"model_type": "vit", "image_size": 224})", "image_size is 224, the tensors have 32");
  of_another(R"({"model_type": "vit", "num_attention_heads": "two"})", "num_attention_heads is two, expected");
  of_another(R"({"model_type": "beit", "use_mean_pooling": 1})", "use_mean_pooling is 1, expected true or false");
}

TEST_CASE("hub config: transformers' preprocessing, in the forms of every age") {
  const Stated clip = of_preprocessor(R"({"crop_size": {"height": 224, "width": 224}, "do_center_crop": true,
    "image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6], "image_processor_type": "CLIPImageProcessorFast",
    "resample": 3, "rescale_factor": 0.00392156862745098, "size": {"shortest_edge": 256}})");
  CHECK(clip.image_size == 224);
  CHECK(clip.resize == 256);
  CHECK(clip.resize_mode == "shortest");
  CHECK(clip.crop_offset == "down");
  CHECK(clip.interpolation == "bicubic");
  CHECK((*clip.mean)[1] == 0.2F);
  const Stated old_clip = of_preprocessor(
      R"({"crop_size": 224, "feature_extractor_type": "CLIPFeatureExtractor", "resample": 3, "size": 224})");
  CHECK(old_clip.resize_mode == "shortest");
  CHECK(old_clip.image_size == 224);
  const Stated old_vit =
      of_preprocessor(R"({"feature_extractor_type": "ViTFeatureExtractor", "resample": 2, "size": 224})");
  CHECK(old_vit.resize_mode == "squash");
  CHECK(old_vit.resize == 224);
  CHECK(old_vit.image_size == 224);
  CHECK(old_vit.interpolation == "bilinear");
  const Stated deit = of_preprocessor(R"({"image_processor_type": "DeiTImageProcessor", "crop_size": {"height": 224,
    "width": 224}, "size": {"height": 256, "width": 256}, "do_normalize": false})");
  CHECK(deit.image_size == 224);
  CHECK(deit.resize == 256);
  CHECK(deit.resize_mode == "squash");
  CHECK((*deit.std)[2] == 1.0F);
  const Stated plain = of_preprocessor(R"({"do_resize": false, "do_center_crop": true, "crop_size": 224})");
  CHECK(plain.resize == 0);
  CHECK(plain.image_size == 224);
  CHECK(
      of_preprocessor(R"({"image_processor_type": "DINOv3ViTImageProcessorFast", "size": {"height": 224, "width": 224},
    "resample": 2})")
          .resize_rounding == "float");
  CHECK(clip.resize_rounding == "bytes");
  const auto filter_of_no_resize = [](const char* number) {
    return of_preprocessor(R"({"do_resize": false, "do_center_crop": true, "crop_size": 224, "resample": )" +
                           std::string(number) + "}")
        .interpolation;
  };
  CHECK(filter_of_no_resize("2") == "bilinear");
  CHECK(filter_of_no_resize("1") == std::nullopt);
  const Stated oblong = of_preprocessor(R"({"size": {"height": 224, "width": 336}, "do_resize": true})");
  CHECK(oblong.image_size == PictureSize(224, 336));
  CHECK(oblong.resize == PictureSize(224, 336));
  CHECK(oblong.resize_mode == "squash");

  check_refused(of_preprocessor, R"({"image_processor_type": "ConvNextImageProcessor"})",
                "image_processor_type is ConvNextImageProcessor");
  check_refused(of_preprocessor, R"({"image_processor_type": "Siglip2ImageProcessor"})", "Siglip2ImageProcessor");
  check_refused(of_preprocessor, R"({"resample": 1, "size": 224})", "resample is 1, vitq computes 2 (bilinear)");
  check_refused(of_preprocessor, R"({"rescale_factor": 1})", "rescale_factor is 1, vitq computes 1/255");
  check_refused(of_preprocessor, R"({"do_rescale": false})", "do_rescale is false");
  check_refused(of_preprocessor, R"({"size": {"height": 224}})", "size.height is 224, vitq computes height and width");
  check_refused(of_preprocessor, R"({"size": {"shortest_edge": 224, "longest_edge": 300}})", "longest_edge is 300");
  check_refused(of_preprocessor, R"({"size": {"max_height": 224}})", "size is an object, vitq computes shortest_edge");
  check_refused(of_preprocessor, R"({"size": {"shortest_edge": 224}})", "do_center_crop is");
  check_refused(of_preprocessor, R"({"do_center_crop": true, "crop_size": 256, "size": 224})",
                "crop_size is 256 and size 224");
  check_refused(of_preprocessor, R"({"do_pad": true})", "do_pad is true");
  check_refused(of_preprocessor, R"({"image_mean": [0.5]})", "image_mean is 0.5, expected three numbers",
                ErrorCode::kFormat);
}

TEST_CASE("hub config: timm's architectures and arguments") {
  const Stated clip = of_timm(R"({"architecture": "vit_base_patch16_clip_quickgelu_224", "global_pool": "token",
    "pretrained_cfg": {"tag": "openai", "input_size": [3, 224, 224], "crop_mode": "squash", "crop_pct": 1.0}})");
  CHECK(clip.activation == "quick_gelu");
  CHECK(clip.eps == 1e-5);
  CHECK(clip.head == "projection");
  CHECK(clip.resize_mode == "squash");
  CHECK(clip.image_size == 224);
  struct Row {
    const char* architecture;
    double eps;
    const char* activation;
    const char* rope;
  };
  const Row rows[] = {{"vit_base_patch16_224", 1e-6, "gelu", "none"},
                      {"vit_base_patch16_clip_224", 1e-5, "gelu", "none"},
                      {"vit_giant_patch14_reg4_dinov2", 1e-6, "silu", "none"},
                      {"vit_small_patch14_dinov2", 1e-6, "gelu", "none"},
                      {"vit_base_patch16_siglip_224", 1e-6, "gelu", "none"},
                      {"vit_base_patch32_siglip_256", 1e-6, "gelu_tanh", "none"},
                      {"vit_large_patch16_siglip_gap_512", 1e-6, "gelu_tanh", "none"},
                      {"vit_so400m_patch14_siglip_384", 1e-6, "gelu", "none"},
                      {"vit_so400m_patch16_siglip_384", 1e-6, "gelu_tanh", "none"},
                      {"vit_small_plus_patch16_dinov3", 1e-5, "silu", "dinov3"},
                      {"eva02_base_patch16_clip_224", 1e-6, "silu", "eva02"},
                      {"beitv2_base_patch16_224", 1e-6, "gelu", "none"},
                      {"swin_tiny_patch4_window7_224", 1e-5, "gelu", "none"},
                      {"deit3_small_patch16_224", 1e-6, "gelu", "none"}};
  for (const Row& row : rows) {
    CAPTURE(row.architecture);
    const Stated says = of_timm(R"({"architecture": ")" + std::string(row.architecture) + R"("})");
    CHECK(says.eps == row.eps);
    CHECK(says.activation == row.activation);
    CHECK(says.rope == row.rope);
    CHECK(says.head == "classes");
  }
  const Stated own = of_timm(R"({"architecture": "vit_small_patch16_224", "model_args": {"num_heads": 3, "act_layer":
    "quick_gelu", "img_size": [32, 32], "global_pool": ""}, "label_names": ["a", "b"]})");
  CHECK(own.heads == 3);
  CHECK(own.activation == "quick_gelu");
  CHECK(own.image_size == 32);
  CHECK(own.pool == "token");
  CHECK(own.classes == std::vector<std::string>{"a", "b"});
  CHECK(of_timm(R"({"architecture": "vit_base_patch16_clip_224", "pretrained_cfg": {"tag": "openai_ft_in1k"}})").head ==
        "classes");
  CHECK_FALSE(of_timm(R"({"architecture": "my_own"})").eps.has_value());

  check_refused(of_timm, R"({"architecture": "vit_base_patch16_rope_224"})",
                "architecture is vit_base_patch16_rope_224");
  // Gated MLPs, and heads of another width than 64 (timm 1.0.31, eva.py and vision_transformer.py).
  const Stated huge = of_timm(R"({"architecture": "vit_huge_plus_patch16_dinov3"})");
  CHECK(huge.activation == "silu");
  CHECK(huge.heads == 20);
  CHECK(of_timm(R"({"architecture": "vit_small_plus_patch16_dinov3_qkvb"})").activation == "silu");
  CHECK(of_timm(R"({"architecture": "vit_7b_patch16_dinov3"})").heads == 32);
  CHECK(of_timm(R"({"architecture": "vit_giantopt_patch16_siglip_384"})").heads == 16);
  check_refused(of_timm, R"({"architecture": "vit_base_patch16_rpn_224"})", "norms behind the branches");
  check_refused(of_timm, R"({"architecture": "vit_tiny", "model_args": {"block_fn": "ParallelScalingBlock"}})",
                "model_args.block_fn is ParallelScalingBlock");
  check_refused(of_timm, R"({"architecture": "vit_tiny", "model_args": {"in_chans": 1}})", "model_args.in_chans is 1");
  check_refused(of_timm, R"({"pretrained_cfg": {"crop_mode": "corner"}})", "pretrained_cfg.crop_mode is corner");
  const Stated oblong = of_timm(R"({"pretrained_cfg": {"input_size": [3, 224, 336]}})");
  CHECK(oblong.image_size == PictureSize(224, 336));
  CHECK(oblong.trained_size == PictureSize(224, 336));  // what is stored are positions of just this size
}

TEST_CASE("fuzz: a key with control characters enters a message escaped") {
  check_refused(of_timm, "{\"model_args\": {\"x\x7f\": 1}}", "\"model_args.x\\x7f\" is 1");
}

TEST_CASE("hub config: open_clip's towers, its own and timm's") {
  const Stated clip = of_open_clip(R"({"model_cfg": {"quick_gelu": true, "vision_cfg": {"image_size": 32, "layers": 2,
    "width": 64, "head_width": 32, "patch_size": 8}}, "preprocess_cfg": {"resize_mode": "squash"}})");
  CHECK(clip.heads == 2);
  CHECK(clip.activation == "quick_gelu");
  CHECK(clip.eps == 1e-5);
  CHECK(clip.resize_mode == "squash");
  CHECK(clip.crop_pct == 1.0);
  CHECK((*clip.mean)[0] == 0.48145466F);
  const Stated tanh = of_open_clip(R"({"model_cfg": {"vision_cfg": {"act_kwargs": {"approximate": "tanh"},
    "norm_kwargs": {"eps": 1e-6}}}})");
  CHECK(tanh.activation == "gelu_tanh");
  CHECK(tanh.eps == 1e-6);
  const Stated siglip = of_open_clip(R"({"model_cfg": {"vision_cfg": {"image_size": 32, "timm_model_name":
    "vit_base_patch16_siglip_224", "timm_pool": "map", "timm_proj": "none"}}})");
  CHECK(siglip.pool == "map");
  CHECK(siglip.eps == 1e-6);
  check_refused(of_open_clip, R"({"model_cfg": {"vision_cfg": {"layers": [3, 4, 6, 3]}}})", "this is a ResNet");
  check_refused(of_open_clip, R"({"model_cfg": {"vision_cfg": {"attentional_pool": true}}})",
                "attentional_pool is true");
  check_refused(of_open_clip, R"({"model_cfg": {"vision_cfg": {"pool_type": "avg"}}})", "pool_type is avg");
  check_refused(of_open_clip, R"({"model_cfg": {"vision_cfg": {"timm_model_name": "vit_x", "timm_proj": "mlp"}}})",
                "timm_proj is mlp");
  check_refused(of_open_clip, R"({"preprocess_cfg": {"resize_mode": "longest"}})", "resize_mode is longest");
  check_refused(of_open_clip, R"({"model_cfg": {"vision_cfg": {"width": 96}}})", "width is 96, the tensors have 64",
                ErrorCode::kFormat);
}

TEST_CASE("hub config: a folder is a model, and the preprocessing beside it counts") {
  const test::TemporaryFolder folder;
  const auto refused = [&](const char* message) {
    CHECK_THROWS_WITH_AS(locate_model(folder.path().string()), doctest::Contains(message), Error);
  };
  refused("is a folder without weights, expected model.safetensors in it");
  folder.write("pytorch_model.bin", "x");
  refused("has pytorch_model.bin alone, a PyTorch file, expected model.safetensors");
  CHECK(find_weights(folder.path(), true) == folder.path() / "pytorch_model.bin");
  const ModelConfig config = test::small_vit(false);
  const auto weights = folder.path() / "model.safetensors";
  save_checkpoint(weights, Checkpoint::seeded(expected_tensors(config), 0), {});
  CHECK(locate_model(folder.path().string()) == weights);
  folder.write("config.json", R"({"model_type": "vit", "num_attention_heads": 2, "image_size": 32, "id2label": {"0":
    "a", "1": "b", "2": "c", "3": "d", "4": "e", "5": "f", "6": "g", "7": "h", "8": "i", "9": "j"}})");
  const std::string preprocessor = R"({"image_processor_type": "ViTImageProcessor", "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5], "resample": 2, "size": {"height": 32, "width": 32}})";
  const auto check_described = [&](const std::string& from) {
    const ModelDescription description = describe(Checkpoint::open(weights));
    CHECK(description.config.eps == 1e-12F);
    CHECK(description.class_names.back() == "j");
    CHECK(description.preprocessing.resize == 32);
    CHECK(description.preprocessing.resize_mode == ResizeMode::kSquash);
    CHECK(description.preprocessing.crop_offset == CropOffset::kDown);
    CHECK(description.preprocessing.interpolation == Interpolation::kBilinear);
    CHECK(guesses_of(description).empty());
    const auto found = std::ranges::find(description.facts, "mean", &Fact::what);
    REQUIRE(found != description.facts.end());
    CHECK(found->from == from);
    // What was read is written into a file of vitq's and stays.
    const auto file = folder.path() / "own.safetensors";
    save_checkpoint(file, Checkpoint::open(weights), metadata_of(description));
    const ModelDescription again = describe(Checkpoint::open(file));
    CHECK(again.preprocessing.resize_mode == ResizeMode::kSquash);
    CHECK(again.preprocessing.crop_offset == CropOffset::kDown);
    CHECK(again.config == description.config);
    std::filesystem::remove(file);
  };
  folder.write("preprocessor_config.json", preprocessor);
  check_described("preprocessor_config.json");
  std::filesystem::remove(folder.path() / "preprocessor_config.json");
  folder.write("processor_config.json", R"({"image_processor": )" + preprocessor + "}");
  check_described("processor_config.json");
  folder.write("config.json", "{");
  CHECK_THROWS_WITH_AS(describe(Checkpoint::open(weights)), doctest::Contains("config.json: is no JSON object"), Error);
}
