// `vitq eval` of embeddings: nearest neighbours and cosines against the same ones counted here, in another way.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "cli/embedding_scores.h"
#include "tests/cli/embedding_files.h"
#include "tests/cli/fixture.h"
#include "tests/random.h"

namespace vitq::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::int64_t kDim = 64;

double cosine(const std::vector<float>& a, const std::vector<float>& b) {
  const auto sum = [](const auto& x, const auto& y) { return std::inner_product(x.begin(), x.end(), y.begin(), 0.0); };
  return sum(a, b) / std::sqrt(sum(a, a) * sum(b, b));
}

TEST_CASE("neighbours vote, and who has no sibling cannot be right and does not count") {
  Embeddings embeddings(2);
  embeddings.add(7, std::vector<float>{1, 0});      // 0
  embeddings.add(7, std::vector<float>{5, 0.1F});   // 1: near 0, longer
  embeddings.add(8, std::vector<float>{0, 1});      // 2
  embeddings.add(7, std::vector<float>{0.1F, 3});   // 3: near 2, of another class
  embeddings.add(9, std::vector<float>{-1, -1});    // 4: alone in its class
  embeddings.add(8, std::vector<float>{-0.3F, 1});  // 5: next to 2
  for (const int threads : {1, 2}) {
    const Embeddings::Score nearest = embeddings.leave_one_out(1, threads);
    CHECK(nearest.n == 6);
    CHECK(nearest.with_sibling == 5);
    CHECK(nearest.correct == 3);  // 0, 1 and 5; 2 -> 3, 3 -> 2
    CHECK(nearest.accuracy() == doctest::Approx(0.6));
    // Two votes for two classes: that of the nearer. 0: 1 7, 3 7. 1: 0 7, 3 7. 2: 3 7, 5 8. 3: 2 8, 5 8. 5: 2 8, 3 7.
    CHECK(embeddings.leave_one_out(2, threads).correct == 3);
    // All others: 7 has three, 8 two. A 7 leaves two of either, the nearest decides: 0 and 1 right, 3 wrong.
    CHECK(embeddings.leave_one_out(100, threads).correct == 2);
  }
  Embeddings alone(2);
  alone.add(1, std::vector<float>{1, 0});
  CHECK(alone.leave_one_out(1, 1).with_sibling == 0);
  CHECK(alone.leave_one_out(1, 1).accuracy() == 0);
}

TEST_CASE("nearest neighbours of many pictures are those of a plain search") {
  constexpr int kPictures = 53;
  constexpr int kOddDim = 37;
  const std::vector<float> values = random_floats(kPictures * kOddDim, 11, -1, 1);
  std::vector<std::vector<float>> rows;
  Embeddings embeddings(kOddDim);
  for (int i = 0; i < kPictures; ++i) {
    rows.emplace_back(values.begin() + i * kOddDim, values.begin() + (i + 1) * kOddDim);
    embeddings.add(i % 4, rows.back());
  }
  std::size_t right = 0;
  for (int i = 0; i < kPictures; ++i) {
    int best = -1;
    for (int j = 0; j < kPictures; ++j) {
      if (j != i && (best < 0 || cosine(rows[i], rows[j]) > cosine(rows[i], rows[best]))) best = j;
    }
    right += best % 4 == i % 4 ? 1 : 0;
  }
  CHECK(embeddings.leave_one_out(1, 2).correct == right);
}

TEST_CASE("cosines tell mean, least, the first percentile and whose the least is") {
  Cosines cosines;
  for (std::size_t i = 0; i < 201; ++i) {
    const double angle = 0.001 * static_cast<double>((i + 100) % 201);
    cosines.add(i, std::vector<float>{2, 0},
                std::vector<float>{static_cast<float>(std::cos(angle)), static_cast<float>(std::sin(angle))});
  }
  CHECK(cosines.least() == doctest::Approx(std::cos(0.2)));
  CHECK(cosines.least_picture() == 100);
  CHECK(cosines.first_percentile() == doctest::Approx(std::cos(0.198)));
  Cosines lengthless;
  lengthless.add(3, std::vector<float>{0, 0}, std::vector<float>{0, 0});
  CHECK(lengthless.mean() == 1);
  lengthless.add(5, std::vector<float>{0, 0}, std::vector<float>{1, 0});
  CHECK(lengthless.mean() == 0.5);
  CHECK(lengthless.least_picture() == 5);
}

/// Pictures in folders that are called as no class.
class Classes : public Workplace {
 public:
  static constexpr int kPictures = 10;
  Classes() {
    std::string csv = "file,label\n";
    for (int i = 0; i < kPictures; ++i) {
      fs::create_directories(path("set/" + folder(i)));
      write("set/" + name(i), ppm(40 + i, 50, 100U + i / 2));
      csv += name(i) + ',' + std::to_string(label(i)) + '\n';
    }
    write("labels.csv", csv);
  }
  static int label(int i) { return i == 9 ? 70000 : i / 3; }
  static std::string folder(int i) { return "group " + std::to_string(label(i)); }
  static std::string name(int i) { return folder(i) + "/p" + std::to_string(i) + ".ppm"; }

  [[nodiscard]] std::vector<std::string> args(const std::vector<std::string>& more) const {
    std::vector<std::string> all{"eval", "--model", headless(), "--images", (*this)("set"), "--format", "json"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  [[nodiscard]] json eval(const std::vector<std::string>& more) const { return json::parse(accepts(args(more))); }
  /// Embeddings by name order, that of the numbers.
  [[nodiscard]] NpyArray embeddings(const std::string& model) const {
    accepts({"embed", "--model", model, "--images", (*this)("set"), "--out", (*this)("e.npy"), "--force"});
    return read_npy(path("e.npy"));
  }
};

TEST_CASE("eval --knn counts what the embeddings say, by folder and by label") {
  const Classes here;
  const NpyArray rows = here.embeddings(here.headless());
  Embeddings expected(kDim);
  for (int i = 0; i < Classes::kPictures; ++i) expected.add(Classes::label(i), rows.row(i));
  for (const int k : {1, 3}) {
    const std::size_t correct = expected.leave_one_out(k, 1).correct;
    const json by_folder = here.eval({"--knn", std::to_string(k)});
    CHECK(by_folder["knn"] == k);
    CHECK(by_folder["n"] == 10);
    CHECK(by_folder["with_sibling"] == 9);
    CHECK(by_folder["correct"] == correct);
    CHECK(by_folder["accuracy"].get<double>() == doctest::Approx(static_cast<double>(correct) / 9).epsilon(1e-3));
    CHECK(by_folder["classes"] == 4);
    CHECK(by_folder["matched"] == "by folder");
    CHECK_FALSE(by_folder.contains("cosine_mean"));
    const json by_label = here.eval({"--knn=" + std::to_string(k), "--labels", here("labels.csv")});
    CHECK(by_label["correct"] == correct);
    CHECK(by_label["matched"] == "by labels file");
  }
  CHECK(here.eval({"--knn"})["knn"] == 1);
  CHECK(here.eval({"--knn", "--batch", "3"})["knn"] == 1);
  CHECK(here.eval({"--knn", "--limit", "4"})["n"] == 4);
  CHECK(here.eval({"--knn", "--model", here.model()})["with_sibling"] == 9);
  here.write("set/" + Classes::name(0), "no picture");
  const Outcome outcome = here.run(here.args({"--knn"}));
  CHECK(outcome.exit_code == 1);
  const json record = json::parse(outcome.out);
  CHECK(record["n"] == 9);
  CHECK(record["with_sibling"] == 8);
  CHECK(record["unreadable"] == 1);
}

TEST_CASE("eval --against compares embeddings where there are no classes or nobody asks for them") {
  const Classes here;
  const std::string other = here.headless("other.safetensors", true, 4);
  const NpyArray a = here.embeddings(here.headless());
  const NpyArray b = here.embeddings(other);
  std::vector<double> cosines;
  for (int i = 0; i < Classes::kPictures; ++i) cosines.push_back(cosine(a.row(i), b.row(i)));
  const auto least = std::ranges::min_element(cosines);
  const json record = here.eval({"--against", other});
  CHECK(record["cosine_least"].get<double>() == doctest::Approx(*least).epsilon(1e-5));
  CHECK(record["cosine_mean"].get<double>() ==
        doctest::Approx(std::accumulate(cosines.begin(), cosines.end(), 0.0) / Classes::kPictures).epsilon(1e-5));
  CHECK(record["cosine_p1"].get<double>() >= record["cosine_least"].get<double>());
  CHECK(record["least_picture"] == here("set/" + Classes::name(static_cast<int>(least - cosines.begin()))));
  CHECK(record["reference"] == other);
  CHECK(record["precision_reference"] == "fp32");
  CHECK(record["pictures"] == 10);
  CHECK_FALSE(record.contains("knn"));
  CHECK_FALSE(record.contains("classes"));

  const json both = here.eval({"--against", other, "--knn"});
  CHECK(both["cosine_least"] == record["cosine_least"]);
  CHECK(both["correct_reference"] == here.eval({"--model", other, "--knn"})["correct"]);
  CHECK(here.eval({"--against", here.headless(), "--knn"})["cosine_least"] == 1.0);

  const json headed = here.eval({"--model", here.model(), "--against", here.headless(), "--embeddings"});
  CHECK(headed["cosine_least"] == 1.0);  // the same body
  CHECK_FALSE(headed.contains("top1"));

  const std::string narrow = here("narrow.safetensors");
  here.accepts({"seed", "--model", "deit_t", "--out", narrow});
  here.refuses(here.args({"--against", narrow}), 1, {"narrow.safetensors: has 192 values in an embedding", "has 64"});
}

TEST_CASE("eval of an artifact without a head against the float model it was made from") {
  const Classes here;
  const std::string model = here.headless();
  here.accepts({"quantize", "--model", model, "--images", here.calibration_pictures(), "--out", here("q.safetensors"),
                "--count", "8"});
  const json record = here.eval({"--model", here("q.safetensors"), "--against", "fp32", "--knn"});
  CHECK(record["precision"] == "w8a8");
  CHECK(record["reference"] == model);
  CHECK(record["cosine_least"].get<double>() < 1);
  CHECK(record["cosine_least"].get<double>() > 0.9);
  const std::string md =
      here.accepts({"eval", "--model", here("q.safetensors"), "--images", here("set"), "--against", "fp32"});
  CHECK(md.find("| cosine_mean ") != std::string::npos);
}

}  // namespace
}  // namespace vitq::test
