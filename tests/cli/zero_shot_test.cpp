// Classes by their texts: the formula by hand, files that are not that, and run and eval with them.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>

#include "cli/text_features.h"
#include "engine/error.h"
#include "tests/cli/embedding_files.h"
#include "tests/cli/fixture.h"
#include "tests/random.h"
#include "tests/temporary_folder.h"
#include "weights/safetensors.h"

namespace vitq::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::int64_t kDim = 64;

struct Text {
  std::vector<float> features;
  std::int64_t classes = 0;
  std::optional<float> scale = std::log(50.0F);
  std::optional<float> bias = std::nullopt;
  std::map<std::string, std::string> metadata = {};
};

std::string write(const fs::path& path, const Text& text) {
  const auto bytes = [](const float* data, std::size_t count) {
    return std::span(reinterpret_cast<const std::uint8_t*>(data), count * sizeof(float));
  };
  const std::int64_t dim = std::ssize(text.features) / text.classes;
  std::vector<FileTensor> tensors{
      {"text_features", FileDType::kF32, {text.classes, dim}, bytes(text.features.data(), text.features.size())}};
  if (text.scale) tensors.push_back({"logit_scale", FileDType::kF32, {}, bytes(&*text.scale, 1)});
  if (text.bias) tensors.push_back({"logit_bias", FileDType::kF32, {1}, bytes(&*text.bias, 1)});
  write_safetensors(path, tensors, text.metadata);
  return path.string();
}

Text three_classes() {
  return {.features = random_floats(3 * kDim, 5, -3, 3),
          .classes = 3,
          .metadata = {{"class_names", R"(["a","b, c","d"])"}}};
}

std::string refusal(const fs::path& path) {
  try {
    const TextFeatures features(path, {.quiet = true});
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

TEST_CASE("logits are the scaled cosines, probabilities their softmax, or with a bias their sigmoids") {
  const TemporaryFolder folder;
  Text text{.features = {2, 0, 3, 4}, .classes = 2, .scale = std::log(10.0F)};
  const std::vector<float> embedding{0.6F, 0.8F};
  std::vector<float> logits(2);
  {
    const TextFeatures clip(write(folder.path() / "clip", text), {});
    CHECK(clip.names() == std::vector<std::string>{"class 0", "class 1"});
    clip.classify(embedding, logits);
    CHECK(logits[0] == doctest::Approx(6));
    CHECK(logits[1] == doctest::Approx(10));
    const auto top = clip.top(logits, 2);
    CHECK(top[0].index == 1);
    CHECK(top[0].probability == doctest::Approx(1 / (1 + std::exp(-4.0))));
    CHECK(top[0].probability + top[1].probability == doctest::Approx(1));
    clip.classify(std::vector<float>{0, 0}, logits);
    CHECK(logits == std::vector<float>{0, 0});
  }
  text.bias = -8;
  const TextFeatures siglip(write(folder.path() / "siglip", text), {});
  siglip.classify(std::vector<float>{6, 8}, logits);  // its length does not count
  CHECK(logits[0] == doctest::Approx(-2));
  CHECK(logits[1] == doctest::Approx(2));
  const auto top = siglip.top(logits, 2);
  CHECK(top[0].probability == doctest::Approx(1 / (1 + std::exp(-2.0))));
  CHECK(top[1].probability == doctest::Approx(1 / (1 + std::exp(2.0))));
}

TEST_CASE("text features are read in half precision too") {
  const TemporaryFolder folder;
  const std::vector<std::uint16_t> half{0x4000, 0, 0x4200, 0x4400};   // 2 0 3 4
  const std::vector<std::uint16_t> brain{0x4000, 0, 0x4040, 0x4080};  // 2 0 3 4
  for (const auto& [dtype, values] : {std::pair(FileDType::kF16, half), std::pair(FileDType::kBF16, brain)}) {
    const fs::path path = folder.path() / dtype_name(dtype);
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(values.data());
    write_safetensors(path, {{"text_features", dtype, {2, 2}, {bytes, 8}}}, {{"classes", R"(["x","y"])"}});
    const TextFeatures features(path, {.quiet = true});
    CHECK(features.names() == std::vector<std::string>{"x", "y"});
    std::vector<float> logits(2);
    features.classify(std::vector<float>{1, 0}, logits);  // without a scale: 100
    CHECK(logits[0] == doctest::Approx(100));
    CHECK(logits[1] == doctest::Approx(60));
    CHECK_THROWS_WITH_AS(TextFeatures(path, {.strict = true}), doctest::Contains("has no logit_scale"), Error);
  }
}

TEST_CASE("files that are no text features are refused by name") {
  const TemporaryFolder folder;
  const fs::path path = folder.path() / "t.safetensors";
  const auto expect = [&](const std::function<void(Text&)>& spoil, const std::string& words) {
    Text text{.features = {2, 0, 3, 4}, .classes = 2};
    spoil(text);
    write(path, text);
    const std::string found = refusal(path);
    CAPTURE(found);
    CHECK(found.find(words) != std::string::npos);
  };
  expect([](Text& text) { text.features = {2, 1, 0, 0}; }, "row 1 of text_features has length 0");
  expect([](Text& text) { text.features[1] = NAN; }, "row 0 of text_features has length nan");
  expect([](Text& text) { text.scale = 100; }, "logit_scale is 100, expected the natural logarithm");
  expect([](Text& text) { text.scale = INFINITY; }, "logit_scale is inf, expected a finite number");
  expect([](Text& text) { text.metadata["class_names"] = "a,b"; }, "metadata class_names is no JSON list");
  expect([](Text& text) { text.metadata["class_names"] = "[1,2]"; }, "metadata class_names is no JSON list");
  expect([](Text& text) { text.metadata["classes"] = R"(["a"])"; }, "has 1 names, text_features has 2 rows");
  const std::vector<std::uint8_t> zeros(16);
  write_safetensors(path, {{"text_features", FileDType::kF32, {4}, zeros}}, {});
  CHECK(refusal(path).find("text_features is [4], expected [classes, dim]") != std::string::npos);
  write_safetensors(path, {{"text_features", FileDType::kI32, {2, 2}, zeros}}, {});
  CHECK(refusal(path).find("tensor text_features is I32") != std::string::npos);
  write_safetensors(path, {{"features", FileDType::kF32, {2, 2}, zeros}}, {});
  CHECK(refusal(path).find("has no tensor text_features") != std::string::npos);
}

TEST_CASE("run names the classes of texts, and says what else a model without a head is good for") {
  const Workplace here;
  const std::string texts = write(here.path("texts.safetensors"), three_classes());
  const json line = json::parse(
      here.accepts({"run", "--model", here.headless(), "--zero-shot", texts, "--json", "--topk", "9", here.picture()}));
  CHECK(line["zero_shot"] == texts);
  REQUIRE(line["top"].size() == 3);
  here.accepts({"embed", "--model", here.headless(), "--out", here("e.npy"), here.picture()});
  std::vector<float> logits(3);
  const TextFeatures features(texts, {});
  features.classify(read_npy(here.path("e.npy")).values, logits);
  const auto top = features.top(logits, 3);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(line["top"][i]["name"] == top[i].name);
    CHECK(line["top"][i]["probability"].get<double>() == doctest::Approx(top[i].probability).epsilon(1e-5));
  }
  CHECK(here.accepts({"run", "--model", here.model(), "--zero-shot", texts, here.picture()})
            .find(", classes of " + texts + "\n") != std::string::npos);
  const std::string pictures = here.calibration_pictures();
  for (const std::string command : {"run", "eval"}) {
    here.refuses({command, "--model", here.headless(), command == "run" ? "--image" : "--images", pictures}, 1,
                 {"has no head", "so there are no classes", "`vitq embed`", "--zero-shot FILE"});
  }
  Text narrow = three_classes();
  narrow.features.resize(3 * 32);
  here.refuses({"run", "--model", here.headless(), "--zero-shot", write(here.path("n"), narrow), here.picture()}, 1,
               {"text_features have 32 values", "headless.safetensors have 64"});
  Text guess = three_classes();
  guess.scale.reset();
  const Outcome outcome =
      here.run({"run", "--model", here.headless(), "--zero-shot", write(here.path("g"), guess), here.picture()});
  CHECK(outcome.exit_code == 0);
  CHECK(outcome.err == "vitq: warning: " + here("g") +
                           ": has no logit_scale: a factor of 100, CLIP's, is assumed, which may be wrong\n");
  here.refuses({"run", "--model", here.headless(), "--zero-shot", here("no"), here.picture()}, 1, {here("no")});
}

TEST_CASE("eval counts the classes of texts, by label and by folder, against another model too") {
  const Workplace here;
  const std::string texts = write(here.path("texts.safetensors"), three_classes());
  fs::create_directory(here.path("set"));
  const std::vector<std::string> folders{"a", "B_C", "d"};
  std::string csv = "file,label\n";
  int right = 0;
  for (int i = 0; i < 9; ++i) {
    const std::string name = folders[i % 3] + '/' + std::to_string(i) + ".ppm";
    fs::create_directories(here.path("set/" + folders[i % 3]));
    here.write("set/" + name, ppm(40 + i, 50, 100U + i));
    csv += name + ',' + std::to_string(i % 3) + '\n';
    const json line = json::parse(
        here.accepts({"run", "--model", here.headless(), "--zero-shot", texts, "--json", here("set/" + name)}));
    right += line["top"][0]["index"] == i % 3 ? 1 : 0;
  }
  here.write("labels.csv", csv);
  const auto eval = [&](std::vector<std::string> more) {
    std::vector<std::string> args{"eval",        "--model", here.headless(), "--images", here("set"),
                                  "--zero-shot", texts,     "--format",      "json"};
    args.insert(args.end(), more.begin(), more.end());
    return json::parse(here.accepts(args));
  };
  const json by_label = eval({"--labels", here("labels.csv")});
  CHECK(by_label["n"] == 9);
  CHECK(by_label["zero_shot"] == texts);
  CHECK(by_label["top1"].get<double>() == doctest::Approx(right / 9.0).epsilon(1e-3));
  CHECK(by_label["top5"] == 1.0);
  const json by_folder = eval({});
  CHECK(by_folder["matched"] == "by name");
  CHECK(by_folder["top1"] == by_label["top1"]);
  const json against = eval({"--against", here.headless("other.safetensors", true, 4), "--logits", here("l")});
  CHECK(against["sqnr_db"].is_number());
  CHECK(against["agreement"].get<double>() < 1);
  CHECK(eval({"--reference", here("l")})["max_difference"] == 0.0);
  CHECK(eval({"--against", here.headless()})["max_difference"] == 0.0);
}

}  // namespace
}  // namespace vitq::test
