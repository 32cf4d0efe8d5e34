// `vitq eval`: its figures against the same ones counted here, in another way.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <iostream>
#include <nlohmann/json.hpp>
#include <numeric>

#include "tests/cli/fixture.h"
#include "tests/shared_folder.h"
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
    CHECK(logits_in(here("again.safetensors")) == logits);
  }
}

TEST_CASE("eval against a reference") {
  const LabelledWorkplace here;
  here.eval({"--logits", here("own.safetensors")});
  const json same = here.eval({"--reference", here("own.safetensors")});
  CHECK(same["agreement"] == 1.0);
  CHECK(same["max_difference"] == 0.0);
  CHECK(same["top1_reference"] == same["top1"]);
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

TEST_CASE("class directories give the labels by name or by order") {
  const LabelledWorkplace here;
  const double expected = here.eval({})["top5"];
  const auto from_directories = [&](const std::string& root, const auto& name_of) {
    for (int i = 0; i < kPictures; ++i) {
      const fs::path folder = here.path(root) / name_of(LabelledWorkplace::label(i));
      fs::create_directories(folder);
      fs::copy_file(here.path("set/picture, " + std::to_string(i) + ".ppm"), folder / (std::to_string(i) + ".ppm"));
    }
    return json::parse(here.accepts({"eval", "--model", here.model(), "--images", here(root), "--format", "json"}));
  };
  const auto by_name = from_directories("named", [](int c) { return "Class_" + std::to_string(c); });
  CHECK(by_name["n"] == kPictures);
  CHECK(by_name["top5"] == expected);
  const auto by_order = from_directories("ordered", [](int c) { return std::string(1, static_cast<char>('p' + c)); });
  CHECK(by_order["top5"] == expected);
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
      {"eval", "--model", (assets / "deit_t.safetensors").string(), "--images", (assets / "imagenet_val/eval").string(),
       "--labels", (assets / "imagenet_val/labels.csv").string(), "--resize", "none", "--format", "json", "--reference",
       (*shared / "golden/deit_t_eval_logits.safetensors").string()}));
  MESSAGE("top-1 " << record["top1"] << ", reference " << record["top1_reference"] << ", agreement "
                   << record["agreement"] << ", largest difference of a logit " << record["max_difference"]);
  CHECK(record["n"] == 336);
  CHECK(record["top1"].get<double>() >= 0.836);
  CHECK(record["top1_reference"].get<double>() == doctest::Approx(0.8393).epsilon(1e-3));
  CHECK(record["agreement"].get<double>() >= 0.99);
}

}  // namespace
}  // namespace vitq::test
