// make_corpus FIXTURES FOLDER: writes, for every fuzz target, small valid inputs to begin with, as FOLDER/TARGET/NAME.
// All of them come from the project's own writers and tests.

#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/sites.h"
#include "models/describe.h"
#include "quant/calibrate.h"
#include "tests/picture_bytes.h"
#include "tests/random.h"
#include "tests/small_artifact.h"
#include "tests/torch_file.h"

namespace vitq::fuzz {
namespace {

namespace fs = std::filesystem;
namespace pickled = test::pickled;

std::string read_all(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Where one target's inputs go.
class Seeds {
 public:
  Seeds(const fs::path& folder, const std::string& target) : folder_(folder / target) {
    fs::create_directories(folder_);
  }
  [[nodiscard]] fs::path path(const std::string& name) const { return folder_ / name; }
  void write(const std::string& name, std::string_view bytes) const {
    std::ofstream file(path(name), std::ios::binary);
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    if (!file.flush()) fail(path(name).string(), ": cannot be written");
  }
  void write(const std::string& name, const test::Bytes& bytes) const {
    write(name, std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  }

 private:
  fs::path folder_;
};

ModelConfig tiny_vit(bool distilled) {
  ModelConfig config;
  config.image_size = 8;
  config.patch = 4;
  config.classes = 3;
  config.body = VitConfig{.blocks = {.depth = 1, .dim = 8, .heads = 2, .hidden = 8}, .distillation_token = distilled};
  return config;
}

ModelConfig tiny_swin() {
  ModelConfig config;
  config.image_size = 16;
  config.patch = 4;
  config.classes = 3;
  config.eps = 1e-5F;
  config.body = SwinConfig{
      .window = 2,
      .stages = {{.depth = 1, .dim = 4, .heads = 1, .hidden = 8}, {.depth = 2, .dim = 8, .heads = 2, .hidden = 8}}};
  return config;
}

/// The model as a file with all that can be said of it, and the file again in the target's other form: the header, a
/// zero byte, the data.
void write_model(const Seeds& seeds, const std::string& name, const ModelConfig& config) {
  const Checkpoint checkpoint = Checkpoint::seeded(expected_tensors(config), 1);
  const std::map<std::string, std::string> metadata = {{"format", "vitq"},
                                                       {"heads", std::to_string(config.stages()[0].heads)},
                                                       {"image_size", std::to_string(config.image_size)},
                                                       {"mean", "0.5,0.5,0.5"},
                                                       {"std", "0.5,0.5,0.5"},
                                                       {"crop_pct", "0.9"},
                                                       {"eps", "1e-6"},
                                                       {"classes", "cat,dog,bird"},
                                                       {"model", "tiny"}};
  save_checkpoint(seeds.path(name), checkpoint, metadata);
  const std::string file = read_all(seeds.path(name));
  const auto data = file.rfind('}') + 1;
  seeds.write(name + ".parts", file.substr(8, file.find("   ", 8) - 8) + '\0' + file.substr(data));

  std::vector<QuantizeOptions> ways(2);
  ways[1].weight_bits = ways[1].activation_bits = 4;
  for (const QuantizeOptions& way : ways) {
    const std::string quantized = name + '.' + precision_name(way);
    const Checkpoint source = Checkpoint::open(seeds.path(name));
    const ModelDescription description = describe(source);
    constexpr std::int64_t kPictures = 4;
    const auto images = test::random_floats(kPictures * 3 * config.image_size * config.image_size, 7);
    QuantizedModel model = quantize_model(source, description, images, kPictures, way);
    model.artifact.set_metadata("report", to_record(model.sites).dump());
    model.artifact.write(seeds.path(quantized));
  }
}

void write_safetensors_seeds(const fs::path& folder) {
  const Seeds seeds(folder, "safetensors");
  seeds.write("empty", "{}");
  seeds.write("types", R"({"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},"b":{"dtype":"BF16","shape":[1,1],)"
                       R"("data_offsets":[4,6]},"c":{"dtype":"F64","shape":[],"data_offsets":[6,14]},)"
                       R"("d":{"dtype":"F32","shape":[0],"data_offsets":[14,14]}})" +
                           std::string(15, '\0'));
  write_model(seeds, "vit", tiny_vit(false));
  write_model(seeds, "deit", tiny_vit(true));
  write_model(seeds, "swin", tiny_swin());
  test::small_artifact().write(seeds.path("artifact"));
}

void write_text_features_seeds(const fs::path& folder) {
  const Seeds seeds(folder, "text_features");
  const std::vector<float> features{2, 0, 3, 4};
  const std::vector<float> scale{4.6F};
  const auto bytes = [](const std::vector<float>& values) {
    return std::span(reinterpret_cast<const std::uint8_t*>(values.data()), values.size() * sizeof(float));
  };
  const FileTensor texts{"text_features", FileDType::kF32, {2, 2}, bytes(features)};
  const FileTensor log_scale{"logit_scale", FileDType::kF32, {}, bytes(scale)};
  const FileTensor bias{"logit_bias", FileDType::kF32, {1}, bytes(scale)};
  const FileTensor halves{"text_features", FileDType::kF16, {4, 2}, bytes(features)};
  write_safetensors(seeds.path("clip"), {texts, log_scale}, {{"class_names", R"(["a","b"])"}});
  write_safetensors(seeds.path("siglip"), {texts, log_scale, bias}, {{"classes", R"(["a","b"])"}});
  write_safetensors(seeds.path("halves"), {halves}, {});
}

void write_artifact_seeds(const fs::path& folder) {
  const Seeds edits(folder, "artifact");
  edits.write("none", "");
  for (int i = 0; i < 32; ++i) {
    std::string bytes;
    for (const std::uint8_t byte : test::random_codes<std::uint8_t>(4 + 2 * i, i, 0, 255))
      bytes += static_cast<char>(byte);
    edits.write("edits" + std::to_string(i), bytes);
  }
  const Seeds sites(folder, "sites");
  sites.write("report", to_record({{.name = "blocks.0.attn.qkv", .weight_bits = 4, .input_bits = 8, .sqnr_db = 21.5},
                                   {.name = "blocks.0.attn", .input_bits = 8, .tanq_a = 0.5F, .tanq_c = 0.25F},
                                   {.name = "head"}})
                            .dump());
  sites.write("none", "[]");
}

void write_torch_seeds(const fs::path& fixtures, const fs::path& folder) {
  const Seeds files(folder, "torch");
  for (const auto& entry : fs::directory_iterator(fixtures)) {
    if (entry.path().extension() == ".pth") files.write(entry.path().filename().string(), read_all(entry.path()));
  }
  const std::string tensor = pickled::tensor();
  const std::string transposed = pickled::tensor({.storage = "1", .size = {3, 2}, .stride = {1, 3}});
  const std::string bytes =
      pickled::tuple({pickled::text("storage"), pickled::global("torch.storage", "UntypedStorage"), pickled::text("0"),
                      pickled::text("cpu"), pickled::integer(24)}) +
      'Q';
  const std::string bytes_tensor =
      pickled::call(pickled::global("torch._utils", "_rebuild_tensor_v3"),
                    pickled::tuple({bytes, pickled::integer(0), pickled::integers({2}), pickled::integers({1}), "\x89N",
                                    pickled::global("torch", "float32")}));
  const std::string weights =
      pickled::dict({pickled::text("norm.weight"), tensor, pickled::text("norm.bias"), transposed});
  const std::vector<std::pair<std::string, std::string>> pickles = {
      {"flat", pickled::whole(weights)},
      {"nested", pickled::whole(pickled::dict(
                     {pickled::text("state_dict"), weights, pickled::text("epoch"), pickled::integer(3)}))},
      {"ema", pickled::whole(pickled::dict({pickled::text("model"), weights, pickled::text("model_ema"), weights}))},
      {"half", pickled::whole(pickled::dict(
                   {pickled::text("a"), pickled::tensor({.type = "HalfStorage", .elements = 12, .offset = 2})}))},
      {"closed",
       pickled::whole(pickled::dict(
           {pickled::text("model"), pickled::ordered_dict() + '(' + pickled::text("w") + tensor + "u}b",
            pickled::text("a"), pickled::global("argparse", "Namespace") + ")\x81}b", pickled::text("b"),
            pickled::global("m", "f") + ")}\x92(NNe", pickled::text("c"), "\x8f(NC\x01x\x90", pickled::text("d"),
            "(Nios\nsystem\n", pickled::text("e"), "(NN1N20", pickled::text("f"), "(N\x91"}))},
      {"subclass", pickled::whole(pickled::dict(
                       {pickled::text("a"),
                        pickled::call(pickled::global("torch._tensor", "_rebuild_from_type_v2"),
                                      pickled::tuple({pickled::global("torch._utils", "_rebuild_parameter"),
                                                      pickled::global("m", "T"), pickled::tuple({tensor, "NN"}), "N"})),
                        pickled::text("b"), bytes_tensor}))},
      {"lines", "(dp0\nVa\np1\nI-7\nsS'b'\n(lp2\nF1.5\naI01\nag1\nasVc\nL5L\nsVd\nPid\ns."},
      {"values", pickled::whole("(NI1\n\x88\x89K\x05M\x01\x02J\x01\x02\x03\x04G@\x09!\xfbTD-\x18]q\x01h\x01"
                                "at")},
  };
  const Seeds raw(folder, "pickle");
  for (const auto& [name, pickle] : pickles) {
    raw.write(name, pickle);
    const std::string storage = test::floats({1, 2, 3, 4, 5, 6});
    files.write(name + ".pth", test::torch_file(pickle, {storage, storage}));
  }
}

void write_picture_seeds(const fs::path& folder) {
  using test::bytes_of;
  const Seeds seeds(folder, "image");
  seeds.write("baseline.jpg", test::from_hex(test::kBaselineJpeg));
  seeds.write("progressive.jpg", test::from_hex(test::kProgressiveJpeg));
  seeds.write("grey.jpg", test::from_hex(test::kGreyJpeg));
  seeds.write("cmyk.jpg", test::from_hex(test::kCmykJpeg));
  const std::string exif = test::exif(6);
  const std::string xmp = std::string("http://ns.adobe.com/xap/1.0/") + '\0' + "<x tiff:Orientation=\"8\"/>";
  test::Bytes turned{0xFF, 0xD8};
  for (const std::string& segment : {exif, exif, xmp}) test::append(turned, test::jpeg_segment(0xE1, segment));
  const test::Bytes grey = test::from_hex(test::kGreyJpeg);
  turned.insert(turned.end(), grey.begin() + 2, grey.end());
  seeds.write("turned.jpg", turned);
  seeds.write("open_end.jpg", {turned.begin(), turned.end() - 2});
  const auto png_with = [](const char* type, const std::string& data) {
    return test::png_file({test::png_header(2, 1, 8, 0), test::png_chunk(type, bytes_of(data)),
                           test::png_pixels({{7, 250}}), test::png_chunk("IEND", {})});
  };
  const std::string zero(1, '\0');
  seeds.write("exif.png", png_with("eXIf", exif.substr(6)));
  seeds.write("exif_text.png", png_with("tEXt", "exif" + zero + exif));
  seeds.write("raw_profile.png", png_with("tEXt", "Raw profile type exif" + zero +
                                                      "\nexif\n 26\n4d4d002a0000000800010112000300000001"
                                                      "000600000000000000"));
  seeds.write("packed_profile.png", png_with("zTXt", "Raw profile type exif" + zero + zero + "\x78\x9C\x4B\x04"));
  seeds.write("xmp.png", png_with("iTXt", "XML:com.adobe.xmp" + std::string(5, '\0') + xmp.substr(29)));
  seeds.write("rgb.png", test::png(2, 8, 2, {{1, 2, 3, 4, 5, 6}, {7, 8, 9, 10, 11, 12}}));
  seeds.write("rgba16.png", test::png(1, 16, 6, {{1, 2, 3, 4, 5, 6, 7, 8}}));
  seeds.write("grey1.png", test::png(8, 1, 0, {{0xAA}, {0x55}}));
  seeds.write("palette.png",
              test::png_file({test::png_header(4, 1, 2, 3), test::png_chunk("PLTE", {255, 0, 0, 0, 255, 0}),
                              test::png_chunk("tRNS", {7}), test::png_pixels({{0x10}}), test::png_chunk("IEND", {})}));
  seeds.write("rgb.bmp", test::bmp(2, -2, 24, {}, {{1, 2, 3, 4, 5, 6, 0, 0}, {1, 2, 3, 4, 5, 6, 0, 0}}));
  seeds.write("palette.bmp", test::bmp(2, 1, 8, {1, 2, 3, 0, 4, 5, 6, 0}, {{0, 1, 0, 0}}));
  seeds.write("four.bmp", test::bmp(3, 1, 4, {1, 2, 3, 0, 4, 5, 6, 0}, {{0x01, 0x10, 0, 0}}));
  seeds.write("rgb565.bmp", test::bmp(2, 1, 16, {0, 0xF8, 0, 0, 0xE0, 7, 0, 0, 0x1F, 0, 0, 0}, {{1, 2, 3, 4}}, 3));
  seeds.write("p6.ppm", bytes_of("P6 2 1 255\nabcdef"));
  seeds.write("p5.pgm", bytes_of("P5 # comment\n2 2 65535\nabcdefgh"));
}

void write_command_line_seeds(const fs::path& folder) {
  const Seeds arguments(folder, "arguments");
  for (const Command& command : commands()) {
    arguments.write(std::string(command.name), std::string(command.name));
    arguments.write(std::string(command.name) + ".help", std::string(command.name) + "\n--help");
  }
  arguments.write("run.all",
                  "run\n--model\nx.safetensors\n--image\na.jpg\nb.png\n--topk\n3\n--batch=2\n--json\n--threads\n1");
  arguments.write("run.shape",
                  "run\na.jpg\n--mean\n0.5,0.5,0.5\n--std\n1,1,1\n--resize\nnone\n--crop-pct\n0.9\n--precision\nint8");
  arguments.write("eval.all",
                  "eval\n--model\nx\n--images\n.\n--labels\nl.csv\n--limit\n3\n--against\ny\n--format\ncsv");
  arguments.write("quantize.all",
                  "quantize\n--model\nx\n--images\n.\n--out\ny\n--preset\nw4a8\n--weight-bits\n4\n--count\n8\n"
                  "--seed\n1\n--softmax\nlog2\n--max-mb\n1.5\n--keep-float\nhead,qkv\n--rounding\nnearest\n"
                  "--code-books\nnone\n--fold-strength\n0.5\n--force\n--json");
  arguments.write("bench.all",
                  "bench\n--model\ndeit_t\n--precision\nfp32,int8\n--threads\n1,2\n--batch\n1,8\n--iters\n3");
  arguments.write("convert.all", "convert\nx.pth\n--out\ny\n--model\ndeit_t\n--key\nmodel_ema");
  arguments.write("pull.all", "pull\ndeit_t\n--timeout\n3\n--retries\n1\n--force");
  arguments.write("seed.all", "seed\n--model\ndeit_t\n--out\nx\n--seed\n18446744073709551615");
  arguments.write("misspelt", "quantise\n--modle=x\n--\n--out");
  const Seeds labels(folder, "labels");
  labels.write("plain", "file,label\nnull,3\nzero,9\n");
  labels.write("crlf",
               "\xEF\xBB\xBF"
               "file,label\r\n\r\nnull,0\r\n");
  labels.write("commas", "file,label\nnu,ll,1\nnull,1");
}

// The first byte is the reader's number in hub_fuzz.cpp.
void write_hub_seeds(const std::filesystem::path& folder) {
  const Seeds hub(folder, "hub");
  const auto write = [&](const std::string& name, char reader, const std::string& text) {
    hub.write(name, reader + text);
  };
  write("transformers", 0,
        R"({"model_type": "clip", "architectures": ["CLIPModel"], "vision_config": {"hidden_size": 768, "image_size":
        [224, 224], "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5}, "id2label": {"0": "a", "1": "b"}})");
  write("preprocessor", 1,
        R"({"image_processor_type": "CLIPImageProcessor", "crop_size": {"height": 224, "width": 224}, "do_center_crop":
        true, "image_mean": [0.5, 0.5, 0.5], "resample": 3, "size": {"shortest_edge": 224}})");
  write("timm", 2,
        R"({"architecture": "vit_base_patch16_clip_224", "model_args": {"num_heads": 12, "img_size": [224, 224]},
        "pretrained_cfg": {"input_size": [3, 224, 224], "mean": [0, 0, 0], "crop_mode": "squash", "tag": "openai"}})");
  write(
      "open_clip", 3,
      R"({"model_cfg": {"quick_gelu": true, "vision_cfg": {"image_size": 224, "layers": 12, "width": 768, "head_width":
        64}}, "preprocess_cfg": {"resize_mode": "shortest", "mean": [0, 0, 0]}})");
  write("index", 4, R"({"weight_map": {"norm.weight": "a.safetensors", "norm.bias": "b.safetensors"}})");
  write("listing", 5,
        R"({"sha": ")" + std::string(40, 'a') + R"(", "siblings": [{"rfilename": "config.json", "size": 7},
        {"rfilename": "model.safetensors", "size": 9, "lfs": {"sha256": ")" +
            std::string(64, 'b') + R"("}}]})");
  write("parts", 6, R"({"weight_map": {"norm.weight": "a.safetensors", "norm.bias": "b.safetensors"}})");
}

}  // namespace
}  // namespace vitq::fuzz

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: make_corpus FIXTURES FOLDER\n";
    return 2;
  }
  const std::filesystem::path fixtures = argv[1];
  const std::filesystem::path folder = argv[2];
  vitq::fuzz::write_safetensors_seeds(folder);
  vitq::fuzz::write_text_features_seeds(folder);
  vitq::fuzz::write_artifact_seeds(folder);
  vitq::fuzz::write_torch_seeds(fixtures, folder);
  vitq::fuzz::write_picture_seeds(folder);
  vitq::fuzz::write_command_line_seeds(folder);
  vitq::fuzz::write_hub_seeds(folder);
  return 0;
}
