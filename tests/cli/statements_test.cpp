// What the program says of models whose files do not say it.

#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/cli/fixture.h"
#include "tests/small_models.h"
#include "weights/safetensors.h"

namespace vitq::test {
namespace {

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// A stranger's ViT: 192 wide, and nobody says how many heads.
std::string stranger(const Workplace& here, const std::map<std::string, std::string>& metadata = {}) {
  ModelConfig config = small_vit(false);
  config.vit().blocks = {.depth = 1, .dim = 192, .heads = 3, .hidden = 64};
  save_checkpoint(here.path("stranger.safetensors"), Checkpoint::seeded(expected_tensors(config), 5), metadata);
  return here("stranger.safetensors");
}

const std::vector<std::string> kAll = {
    "--mean", "0.5,0.5,0.5", "--std",  "0.25,0.25,0.25", "--crop-pct",   "1",    "--heads",         "6",
    "--eps",  "1e-5",        "--pool", "token",          "--activation", "gelu", "--interpolation", "bilinear"};

std::vector<std::string> with(std::vector<std::string> args, const std::vector<std::string>& more) {
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

}  // namespace

TEST_CASE("guesses are told in one line, --quiet silences it, --strict refuses, and options settle them") {
  const Workplace here;
  const std::string model = stranger(here);
  const std::vector<std::string> run = {"run", "--model", model, here.picture(), "--json"};
  const Outcome told = here.run(run);
  CHECK(told.exit_code == 0);
  const auto lines = lines_of(told.err);
  REQUIRE(lines.size() == 1);
  CHECK(contains(lines[0], "vitq: warning: "));
  for (const char* part : {"heads 3", "eps 1e-06", "mean 0.485", "--heads", "--eps", "--mean", "vitq convert"}) {
    CAPTURE(part);
    CHECK(contains(lines[0], part));
  }
  CHECK(here.accepts(with(run, {"--quiet"})).size() > 10);
  here.refuses(with(run, {"--strict"}), 1, {"stranger.safetensors", "heads 3", "(--strict)"});
  here.refuses(with(run, {"--strict", "--quiet"}), 1, {"(--strict)"});
  here.accepts(with(with(run, kAll), {"--strict"}));
  here.accepts({"run", "--strict", "--model", here.model(), here.picture()});
}

TEST_CASE("convert writes what is stated, and what it assumed as assumed") {
  const Workplace here;
  const std::string model = stranger(here, {{"format", "pt"}, {"resize", "480"}, {"heads", "2"}});
  here.write("names.txt", "a\nb, the second\nc\nd\ne\nf\ng\nh\ni\nj\r\n\n");
  const std::string out = here.accepts(with({"convert", model, "--strict", "--out", here("stated.safetensors"),
                                             "--classes", here("names.txt"), "--name", "mine"},
                                            kAll));
  CHECK(contains(out, "heads 6 (stated)"));
  const std::string info = here.accepts({"info", here("stated.safetensors")});
  for (const char* row :
       {"heads           6 (metadata)", "eps             1e-05 (metadata)", "interpolation   bilinear (metadata)",
        "resize          32 (metadata)", "model           mine", "image_size      32 (metadata)"}) {
    CAPTURE(row);
    CHECK(contains(info, row));
  }
  // What a stranger wrote is kept, under no key of vitq's.
  const SafetensorsFile file(here.path("stated.safetensors"));
  CHECK(file.metadata().at("source.resize") == "480");
  CHECK(file.metadata().at("resize") == "32");
  CHECK_FALSE(file.metadata().contains("assumed"));
  const std::string stated =
      here.accepts({"run", "--strict", "--model", here("stated.safetensors"), here.picture(), "--json"});
  CHECK(contains(stated, "\"name\":\"b, the second\""));

  here.accepts({"convert", model, "--quiet", "--out", here("guessed.safetensors")});
  const Outcome again = here.run({"run", "--model", here("guessed.safetensors"), here.picture()});
  CHECK(contains(again.err, "heads 3"));
  CHECK(contains(here.accepts({"info", here("guessed.safetensors")}), "heads           3 (assumed)"));
  // So does an artifact that is made of it.
  here.accepts({"quantize", "--quiet", "--model", here("guessed.safetensors"), "--images", here.calibration_pictures(),
                "--count", "2", "--out", here("guessed.w8a8.safetensors")});
  CHECK(contains(here.run({"run", "--model", here("guessed.w8a8.safetensors"), here.picture()}).err, "heads 3"));
}

TEST_CASE("statements that make no sense are refused") {
  const Workplace here;
  const std::string model = stranger(here);
  const auto refused = [&](const std::vector<std::string>& more, int code, const std::vector<std::string>& words) {
    here.refuses(with({"run", "--quiet", "--model", model, here.picture()}, more), code, words);
  };
  refused({"--heads", "0"}, 2, {"--heads", "whole number"});
  refused({"--heads", "7"}, 1, {"not a multiple of 7 heads"});
  refused({"--eps", "2"}, 2, {"--eps"});
  refused({"--image-size", "7"}, 1, {"image size 7 is not a multiple of the patch size 8"});
  refused({"--pool", "max"}, 2, {"--pool", "expected token or avg or avgmax"});
  refused({"--pool", "map"}, 1, {"pool is map", "one that is token"});
  refused({"--activation", "relu"}, 1, {"activation is relu", "computes gelu, quick_gelu, gelu_tanh or silu"});
  refused({"--head", "both"}, 2, {"--head", "classes or projection"});
  refused({"--rope", "yarn"}, 2, {"--rope", "none or dinov3 or eva02"});
  refused({"--window", "0"}, 2, {"--window", "whole number"});
  refused({"--trained-windows", "12,x"}, 2, {"--trained-windows", "none, or for each stage a whole number"});
  refused({"--trained-windows", ""}, 2, {"--trained-windows", "none, or for each stage"});
  refused({"--interpolation", "lanczos"}, 2, {"--interpolation", "bicubic or bilinear"});
  const auto names = [&](const std::string& file, const std::vector<std::string>& words) {
    here.refuses({"convert", model, "--quiet", "--out", here("x.safetensors"), "--classes", file}, 1, words);
  };
  names(here("nowhere.txt"), {"nowhere.txt", "class names"});
  names(here.write("empty.txt", "\n\n"), {"empty.txt", "is empty"});
  names(here.write("gap.txt", "a\n\nb\n"), {"gap.txt", "line 2 is empty"});
  names(here.write("few.txt", "a\nb\n"), {"names 2 classes, the head has 10"});
}

TEST_CASE("a Swin V2 runs where its windows are stated, and convert writes them down") {
  const Workplace here;
  const std::string model = here("v2.safetensors");
  save_checkpoint(model, Checkpoint::seeded(expected_tensors(small_swin_v2()), 3), {});
  here.refuses({"run", "--quiet", "--model", model, here.picture()}, 1, {"v2.safetensors", "windows of this Swin V2"});
  here.accepts({"convert", model, "--quiet", "--image-size", "48", "--window", "6", "--trained-windows", "4,0,2",
                "--out", here("stated.safetensors")});
  const std::string facts = here.accepts({"info", here("stated.safetensors")});
  CHECK(contains(facts, "window          6 (metadata)"));
  CHECK(contains(facts, "trained_windows 4,0,2 (metadata)"));
  here.accepts({"run", "--quiet", "--model", here("stated.safetensors"), here.picture()});
  here.accepts(
      {"convert", model, "--quiet", "--image-size", "48", "--window", "6", "--out", here("guessed.safetensors")});
  const Outcome guessed = here.run({"run", "--model", here("guessed.safetensors"), here.picture()});
  CHECK(contains(guessed.err, "trained_windows none"));
  CHECK(contains(guessed.err, "--trained-windows"));
}

TEST_CASE("wrapped models run, what stands beside them is listed, and of several one is chosen") {
  const Workplace here;
  const ModelConfig config = small_vit(false);
  const Checkpoint weights = Checkpoint::seeded(expected_tensors(config), 3);
  const auto save = [&](const std::string& name, const std::vector<std::string>& prefixes, bool with_head = true) {
    std::vector<FileTensor> tensors;
    const auto add = [&](const std::string& tensor, const std::string& of) {
      const auto values = weights.f32(of);
      tensors.push_back({tensor,
                         FileDType::kF32,
                         weights.shape(of),
                         {reinterpret_cast<const std::uint8_t*>(values.data()), values.size_bytes()}});
    };
    for (const std::string& prefix : prefixes) {
      for (const std::string& tensor : weights.names()) {
        if (with_head || !tensor.starts_with("head")) add(prefix + tensor, tensor);
      }
    }
    add("criterion.weight", "norm.bias");
    write_safetensors(here.path(name), tensors, {});
    return here(name);
  };
  const auto top = [&](const std::string& model) {
    return lines_of(
        here.accepts({"run", "--quiet", "--heads", "2", "--topk", "1", "--model", model, here.picture()}))[1];
  };
  const std::string expected = top(here.model());
  const std::string wrapped = save("wrapped.safetensors", {"module._orig_mod."});
  CHECK(top(wrapped) == expected);
  CHECK(contains(here.run({"run", "--model", wrapped, here.picture()}).err,
                 "left behind, as no part of the model: criterion.weight"));
  const std::string two = save("two.safetensors", {"student.", "teacher."});
  here.refuses({"run", "--model", two, here.picture()}, 1, {"holds 2 models, under student., teacher."});
  here.refuses({"convert", two, "--out", here("x.safetensors")}, 1, {"holds 2 models", "--prefix NAME"});
  here.refuses({"convert", two, "--out", here("x.safetensors"), "--prefix", "ema"}, 1, {"no model stands under ema."});
  here.accepts({"convert", two, "--quiet", "--heads", "2", "--out", here("x.safetensors"), "--prefix", "teacher"});
  CHECK(top(here("x.safetensors")) == expected);
  // What is stated later is no guess any more.
  here.accepts(with(with({"convert", here("x.safetensors"), "--strict", "--out", here("y.safetensors")}, kAll),
                    {"--heads", "2"}));
  CHECK_FALSE(SafetensorsFile(here.path("y.safetensors")).metadata().contains("assumed"));
  CHECK(contains(here.accepts({"convert", wrapped, "--quiet", "--out", here("z.safetensors")}),
                 "\n  left behind: criterion.weight\n"));
  const std::string headless = save("headless.safetensors", {"backbone."}, false);
  here.refuses({"run", "--quiet", "--model", headless, here.picture()}, 1, {"has no head", "head.weight"});
  CHECK(contains(here.accepts({"info", headless}), "head            none"));
  CHECK(contains(here.accepts({"info", headless}), "left behind     criterion.weight"));
}

}  // namespace vitq::test
