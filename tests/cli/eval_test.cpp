// `vitq eval`: its figures against the same ones counted here, in another way.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <iostream>
#include <nlohmann/json.hpp>
#include <numeric>

#include "tests/cli/fixture.h"
#include "tests/shared_folder.h"
#include "tests/small_models.h"
#include "weights/safetensors.h"

namespace vitq::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kPictures = 12;
constexpr int kClasses = 10;

/// A workplace with a directory of pictures and labels.csv, which goes through all classes.
class LabelledWorkplace : public Workplace {
 public:
  LabelledWorkplace() {
    fs::create_directory(path("set"));
    std::string csv =
        "\xef\xbb\xbf"
        "file,label\r\n";
    for (int i = 0; i < kPictures; ++i) {
      const std::string name = "picture, " + std::to_string(i) + ".ppm";
      write("set/" + name, ppm(40 + i, 50, std::uint64_t{100} + i));
      csv += name + ',' + std::to_string(label(i)) + "\r\n";
    }
    write("labels.csv", csv + "\r\n");
  }
  static int label(int i) { return i % kClasses; }

  [[nodiscard]] std::vector<std::string> args(const std::vector<std::string>& more) const {
    std::vector<std::string> all{
        "eval", "--model", model(), "--images", (*this)("set"), "--labels", (*this)("labels.csv"), "--format", "json"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  json eval(const std::vector<std::string>& more) const { return json::parse(accepts(args(more))); }
};

std::vector<float> logits_in(const std::string& path) {
  const SafetensorsFile file{fs::path(path)};
  const FileTensor* tensor = file.find("logits");
  REQUIRE(tensor != nullptr);
  std::vector<float> values(tensor->bytes.size() / sizeof(float));
  std::memcpy(values.data(), tensor->bytes.data(), tensor->bytes.size());
  return values;
}

/// Fraction of pictures whose label is among the `k` best, by sorting.
double top(const std::vector<float>& logits, int k) {
  int hits = 0;
  const int rows = static_cast<int>(logits.size()) / kClasses;
  for (int row = 0; row < rows; ++row) {
    std::vector<int> order(kClasses);
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, std::ranges::greater(), [&](int c) { return logits[row * kClasses + c]; });
    hits += static_cast<int>(std::count(order.begin(), order.begin() + k, LabelledWorkplace::label(row)));
  }
  return static_cast<double>(hits) / rows;
}

TEST_CASE("eval counts what its own logits say and is the same for every batch") {
  const LabelledWorkplace here;
  const json record = here.eval({"--logits", here("logits.safetensors")});
  const std::vector<float> logits = logits_in(here("logits.safetensors"));
  REQUIRE(logits.size() == std::size_t{kPictures} * kClasses);
  CHECK(record["n"] == kPictures);
  CHECK(record["batch"] == 8);
  CHECK(record["top1"].get<double>() == doctest::Approx(top(logits, 1)).epsilon(1e-3));
  CHECK(record["top5"].get<double>() == doctest::Approx(top(logits, 5)).epsilon(1e-3));
  CHECK(record["top5"].get<double>() > 0);
  CHECK(record["sha256"].get<std::string>().size() == 64);
  CHECK(record["min_ms"].get<double>() <= record["median_ms"].get<double>());
  CHECK(record["median_ms"].get<double>() <= record["p99_ms"].get<double>());
  for (const char* key : {"model", "precision", "images_per_s", "mean_ms", "stddev_ms", "p90_ms", "p95_ms", "threads",
                          "version", "onednn", "isa", "cpu", "file", "preprocessing", "peak_rss_mb"}) {
    CAPTURE(key);
    CHECK(record.contains(key));
  }
  for (const std::string batch : {"1", "5", "4096"}) {
    CAPTURE(batch);
    here.eval({"--batch", batch, "--logits", here("again.safetensors"), "--force"});
    const std::vector<float> again = logits_in(here("again.safetensors"));
    REQUIRE(again.size() == logits.size());
    double worst = 0;
    for (std::size_t i = 0; i < logits.size(); ++i) {
      worst = std::max(worst, std::fabs(double{again[i]} - logits[i]) / std::max(1.0, std::fabs(double{logits[i]})));
    }
    // Elsewhere the batch decides how oneDNN cuts its sums: 8.4e-7 measured on AVX2, less than tests/small_models.h
    // allows.
    CHECK(worst <= (f32_rows_are_independent() ? 0 : 1e-5));
  }
}

TEST_CASE("eval against a reference") {
  const LabelledWorkplace here;
  here.eval({"--logits", here("own.safetensors")});
  const json same = here.eval({"--reference", here("own.safetensors")});
  CHECK(same["agreement"] == 1.0);
  CHECK(same["max_difference"] == 0.0);
  CHECK(same["kl"] == 0.0);
  CHECK(same["sqnr_db"].is_null());
  CHECK(same["top1_reference"] == same["top1"]);
  CHECK(same["only_reference"] == 0);
  CHECK(same["only_this"] == 0);
  CHECK(same["mcnemar_p"] == 1.0);
  here.eval({"--resize", "none", "--logits", here("other.safetensors")});
  const json other = here.eval({"--reference", here("other.safetensors")});
  const std::vector<float> a = logits_in(here("own.safetensors"));
  const std::vector<float> b = logits_in(here("other.safetensors"));
  double most = 0;
  for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::abs(double{a[i]} - b[i]));
  CHECK(most > 0);
  CHECK(other["max_difference"].get<double>() == doctest::Approx(most));
  CHECK(other["top1_reference"].get<double>() == doctest::Approx(top(b, 1)).epsilon(1e-3));
  CHECK(here.eval({"--reference", here("own.safetensors"), "--limit", "3"})["agreement"] == 1.0);
  here.eval({"--limit", "3", "--logits", here("three.safetensors")});
  here.refuses(here.args({"--reference", here("three.safetensors")}), 1, {"has logits of 3 pictures", "expected 12"});
}

TEST_CASE("eval counts the pictures that one model alone gets right, in every format") {
  const LabelledWorkplace here;
  // Somebody who is `offset` classes off on every picture.
  const auto compared_with = [&](int offset, const std::string& format) {
    std::vector<float> logits(std::size_t{kPictures} * kClasses);
    for (int i = 0; i < kPictures; ++i) logits[i * kClasses + (LabelledWorkplace::label(i) + offset) % kClasses] = 1;
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(logits.data());
    write_safetensors(here.path("other.safetensors"),
                      {{"logits", FileDType::kF32, {kPictures, kClasses}, {bytes, logits.size() * sizeof(float)}}}, {});
    return here.accepts(here.args({"--reference", here("other.safetensors"), "--format", format}));
  };
  const json right = json::parse(compared_with(0, "json"));
  const json wrong = json::parse(compared_with(1, "json"));
  const int hits = static_cast<int>(std::lround(right["top1"].get<double>() * kPictures));
  MESSAGE(hits << " of " << kPictures << " right");
  CHECK(right["only_reference"] == kPictures - hits);
  CHECK(right["only_this"] == 0);
  CHECK(std::abs(right["mcnemar_p"].get<double>() - std::min(1.0, std::ldexp(2, hits - kPictures))) < 1e-8);
  CHECK(wrong["only_reference"] == 0);
  CHECK(wrong["only_this"] == hits);
  CHECK(std::abs(wrong["mcnemar_p"].get<double>() - std::min(1.0, std::ldexp(2, -hits))) < 1e-8);

  const auto rows = lines_of(compared_with(0, "csv"));
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].find(",top1_reference,only_reference,only_this,mcnemar_p,") != std::string::npos);
  const std::string figures = right["only_reference"].dump() + ",0," + right["mcnemar_p"].dump();
  CHECK(rows[1].find("," + figures + ",") != std::string::npos);
  const std::string md = compared_with(0, "md");
  for (const std::string name : {"only_reference", "only_this", "mcnemar_p"}) {
    CAPTURE(name);
    CHECK(md.find("| " + name + " ") != std::string::npos);
    CHECK(md.find(" | " + right[name].dump() + " |\n") != std::string::npos);
  }
}

/// agreement, sqnr_db and kl of logits `a` against a reference `b`, counted plainly.
std::array<double, 3> compare(const std::vector<float>& a, const std::vector<float>& b) {
  double same = 0;
  double signal = 0;
  double noise = 0;
  double kl = 0;
  const auto probability = [](const std::vector<float>& logits, std::size_t row, int c) {
    long double total = 0;
    for (int k = 0; k < kClasses; ++k) total += std::exp(static_cast<long double>(logits[row * kClasses + k]));
    return static_cast<double>(std::exp(static_cast<long double>(logits[row * kClasses + c])) / total);
  };
  const std::size_t rows = a.size() / kClasses;
  for (std::size_t row = 0; row < rows; ++row) {
    const auto best = [&](const std::vector<float>& logits) {
      const auto first = logits.begin() + static_cast<std::ptrdiff_t>(row) * kClasses;
      return std::max_element(first, first + kClasses) - first;
    };
    same += best(a) == best(b) ? 1 : 0;
    for (int c = 0; c < kClasses; ++c) {
      const double p = probability(b, row, c);
      kl += p * std::log(p / probability(a, row, c));
      signal += std::pow(double{b[row * kClasses + c]}, 2);
      noise += std::pow(double{b[row * kClasses + c]} - a[row * kClasses + c], 2);
    }
  }
  const auto n = static_cast<double>(rows);
  return {same / n, 10 * std::log10(signal / noise), kl / n};
}

TEST_CASE("eval of an artifact against the float model it was made from") {
  const LabelledWorkplace here;
  const std::string artifact = here.quantized("small.w8a8.safetensors");
  const json fp32 = here.eval({"--logits", here("fp32.safetensors")});
  const json w8a8 =
      here.eval({"--model", artifact, "--against", "fp32", "--batch", "5", "--logits", here("w8a8.safetensors")});
  CHECK(fp32["precision"] == "fp32");
  CHECK(w8a8["precision"] == "w8a8");
  CHECK(w8a8["precision_reference"] == "fp32");
  CHECK(w8a8["reference"] == here.model());
  const auto [agreement, sqnr_db, kl] =
      compare(logits_in(here("w8a8.safetensors")), logits_in(here("fp32.safetensors")));
  MESSAGE("agreement " << agreement << ", SQNR " << sqnr_db << " dB, KL " << kl);
  CHECK(w8a8["agreement"].get<double>() == doctest::Approx(agreement).epsilon(1e-3));
  CHECK(w8a8["sqnr_db"].get<double>() == doctest::Approx(sqnr_db).epsilon(1e-3));
  CHECK(std::abs(w8a8["kl"].get<double>() - kl) < 1e-7);
  CHECK(w8a8["top1_reference"] == fp32["top1"]);
  CHECK(sqnr_db > 15);
  CHECK(sqnr_db < 60);  // or nothing was quantized

  // The same against the file by name, against itself, and against a copy that is preprocessed in its own way.
  const json named = here.eval({"--model", artifact, "--against", here.model()});
  for (const char* key : {"agreement", "sqnr_db", "kl", "top1_reference"}) CHECK(named[key] == w8a8[key]);
  CHECK(here.eval({"--model", artifact, "--against", artifact})["sqnr_db"].is_null());
  here.eval({"--resize", "none", "--logits", here("cropped.safetensors")});
  auto uncropped = small_metadata();
  uncropped["resize"] = "0";
  save_checkpoint(here("own.safetensors"), Checkpoint::open(here.model()), uncropped);
  const json other = here.eval({"--against", here("own.safetensors")});
  const json expected = here.eval({"--reference", here("cropped.safetensors")});
  for (const char* key :
       {"agreement", "sqnr_db", "kl", "max_difference", "top1_reference", "only_reference", "only_this", "mcnemar_p"}) {
    CAPTURE(key);
    CHECK(other[key] == expected[key]);
  }
}

TEST_CASE("the float model of an artifact is found or asked for") {
  const LabelledWorkplace here;
  const std::string artifact = here.quantized("small.w4a8.safetensors", {"--preset", "w4a8"});
  const auto against = [&](const std::string& what) { return here.args({"--model", artifact, "--against", what}); };
  here.refuses(here.args({"--against", "fp32"}), 1, {"small.safetensors", "is the float32 model itself"});
  here.refuses(against(here("missing.safetensors")), 1, {"missing.safetensors", "no such file"});
  fs::create_directory(here.path("home"));
  fs::rename(here.model(), here.path("home/small.safetensors"));
  const json record = json::parse(here.accepts(against("fp32")));
  CHECK(record["reference"] == here("home/small.safetensors"));
  CHECK(record["precision"] == "w4a8");
  fs::rename(here.path("home/small.safetensors"), here.path("elsewhere.safetensors"));
  here.refuses(against("fp32"), 1, {"small.w4a8.safetensors", "not here", "home/small.safetensors", "--against FILE"});
  here.accepts(against(here("elsewhere.safetensors")));
  // In its place lies another model: of another width, or itself an artifact.
  ModelConfig config = small_vit(false);
  config.vit().blocks.hidden = 64;
  save_checkpoint(here.model(), Checkpoint::seeded(expected_tensors(config), 3), small_metadata());
  here.refuses(against("fp32"), 1, {"small.safetensors", "is not the model that", "its shapes differ"});
  config.classes = 11;
  save_checkpoint(here("eleven.safetensors"), Checkpoint::seeded(expected_tensors(config), 3), small_metadata());
  here.refuses(against(here("eleven.safetensors")), 1, {"has 11 classes", "has 10"});
  fs::copy_file(artifact, here.model(), fs::copy_options::overwrite_existing);
  here.refuses(against("fp32"), 1, {"small.safetensors", "is a w4a8 artifact"});
}

TEST_CASE("eval of an unreadable picture counts the rest and fails at the end") {
  const LabelledWorkplace here;
  here.write("set/picture, 4.ppm", "broken");
  const Outcome outcome = here.run(here.args({"--logits", here("logits.safetensors")}));
  CHECK(outcome.exit_code == 1);
  CHECK(json::parse(outcome.out)["n"] == kPictures - 1);
  const auto errors = lines_of(outcome.err);
  REQUIRE(errors.size() == 2);
  CHECK(errors[0].find("picture, 4.ppm") != std::string::npos);
  CHECK(errors[1].find("not written") != std::string::npos);
  CHECK_FALSE(fs::exists(here.path("logits.safetensors")));
  for (int i = 0; i < kPictures; ++i) here.write("set/picture, " + std::to_string(i) + ".ppm", "");
  const Outcome none = here.run(here.args({}));
  CHECK(none.exit_code == 1);
  CHECK(none.out.empty());
  CHECK(lines_of(none.err).back() == "vitq: error: none of the 12 pictures could be read");
}

TEST_CASE("eval formats say the same") {
  const LabelledWorkplace here;
  const json record = here.eval({});
  const std::string csv = here.accepts(here.args({"--format", "csv"}));
  const std::string md = here.accepts(here.args({"--format", "md"}));
  const auto rows = lines_of(csv);
  REQUIRE(rows.size() == 2);
  CHECK(rows[0].starts_with("model,precision,n,top1,top5,images_per_s,"));
  CHECK(rows[1].starts_with("vit,fp32,12," + record["top1"].dump() + ','));
  CHECK(rows[1].find(",\"resize 35 (bicubic), centre crop 32, mean ") != std::string::npos);
  CHECK(lines_of(md).size() == record.size() + 2);
  CHECK(md.find("| top1 ") != std::string::npos);
  CHECK(md.find(" | " + record["top1"].dump() + " |\n") != std::string::npos);
}

TEST_CASE("class directories give the labels by name, or by order, which is said") {
  const LabelledWorkplace here;
  const double expected = here.eval({})["top5"];
  const auto from_directories = [&](const std::string& root, const auto& name_of, const std::string& warning) {
    for (int i = 0; i < kPictures; ++i) {
      const fs::path folder = here.path(root) / name_of(LabelledWorkplace::label(i));
      fs::create_directories(folder);
      fs::copy_file(here.path("set/picture, " + std::to_string(i) + ".ppm"), folder / (std::to_string(i) + ".ppm"));
    }
    const Outcome outcome = here.run({"eval", "--model", here.model(), "--images", here(root), "--format", "json"});
    CHECK(outcome.exit_code == 0);
    CHECK(outcome.err == warning);
    return json::parse(outcome.out);
  };
  const auto by_name = from_directories(
      "named", [](int c) { return "Class_" + std::to_string(c); }, "");
  CHECK(by_name["n"] == kPictures);
  CHECK(by_name["top5"] == expected);
  CHECK(by_name["matched"] == "by name");
  const auto by_number = from_directories(
      "numbered", [](int c) { return "00" + std::to_string(c); }, "");
  CHECK(by_number["top5"] == expected);
  CHECK(by_number["matched"] == "by number");
  const auto by_order = from_directories(
      "ordered", [](int c) { return std::string(1, static_cast<char>('p' + c)); },
      "vitq: warning: " + here("ordered") +
          ": no folder is called as a class of the model: taken in order, p -> class 0, y -> class 9\n");
  CHECK(by_order["top5"] == expected);
  CHECK(by_order["matched"] == "by order");
}

TEST_CASE("golden: accuracy of deit_t on 336 labelled pictures") {
  const auto shared = shared_folder();
  if (!shared) {
    std::cout << "SKIPPED: no shared folder with assets/imagenet_val\n";
    return;
  }
  const Workplace here;
  const fs::path assets = *shared / "assets";
  const json record = json::parse(here.accepts(
      {"eval", "--quiet", "--model", (assets / "deit_t.safetensors").string(), "--images",
       (assets / "imagenet_val/eval").string(), "--labels", (assets / "imagenet_val/labels.csv").string(), "--resize",
       "none", "--format", "json", "--reference", (*shared / "golden/deit_t_eval_logits.safetensors").string()}));
  MESSAGE("top-1 " << record["top1"] << ", reference " << record["top1_reference"] << ", agreement "
                   << record["agreement"] << ", largest difference of a logit " << record["max_difference"]);
  CHECK(record["n"] == 336);
  CHECK(record["top1"].get<double>() == doctest::Approx(0.8393).epsilon(1e-3));
  CHECK(record["top1_reference"] == record["top1"]);
  CHECK(record["agreement"] == 1);
  CHECK(record["max_difference"].get<double>() < 5e-4);
}

}  // namespace
}  // namespace vitq::test
