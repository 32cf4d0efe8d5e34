// `vitq embed`: its rows against what the library gives for the same pictures.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <numeric>

#include "cli/npy.h"
#include "engine/gemm/onednn.h"
#include "engine/picture/resize.h"
#include "tests/cli/embedding_files.h"
#include "tests/cli/fixture.h"
#include "vitq/session.h"

namespace vitq::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr int kPictures = 5;
constexpr std::int64_t kDim = 64;
constexpr std::int64_t kPatches = 16;

class Gallery : public Workplace {
 public:
  Gallery() {
    fs::create_directory(path("set"));
    for (int i = 0; i < kPictures; ++i) write("set/" + name(i), ppm(40 + i, 50, 100U + i));
  }
  static std::string name(int i) { return std::to_string(i) + ".ppm"; }

  [[nodiscard]] std::vector<std::string> args(const std::vector<std::string>& more) const {
    std::vector<std::string> all{"embed",        "--model", headless(),       "--images",
                                 (*this)("set"), "--out",   (*this)("e.npy"), "--force"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  [[nodiscard]] NpyArray embed(const std::vector<std::string>& more) const {
    accepts(args(more));
    return read_npy(path("e.npy"));
  }
  /// What the library gives for the pictures, one by one.
  [[nodiscard]] Result expected(const std::string& model) const {
    Session session(Model::open(model), {.threads = 1});
    Result all;
    for (int i = 0; i < kPictures; ++i) {
      const Image image = load_image(path("set/" + name(i)));
      const ImageView view(image);
      const Result one = session.run(std::span(&view, 1), {.logits = false, .embedding = true, .tokens = true});
      all.embedding.insert(all.embedding.end(), one.embedding.begin(), one.embedding.end());
      all.tokens.insert(all.tokens.end(), one.tokens.begin(), one.tokens.end());
    }
    return all;
  }
};

void check_same(const std::vector<float>& found, const std::vector<float>& expected) {
  REQUIRE(found.size() == expected.size());
  double worst = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const double difference = std::fabs(double{found[i]} - expected[i]);
    worst = std::max(worst, difference / std::max(1.0, std::fabs(double{expected[i]})));
  }
  CHECK(worst <= (f32_rows_are_independent() ? 0 : 1e-5));
}

/// Tokens `first` to `end` of each picture, of `tokens` ones.
std::vector<float> tokens_of(const std::vector<float>& all, std::int64_t tokens, std::int64_t first, std::int64_t end) {
  std::vector<float> some;
  for (std::int64_t picture = 0; picture < kPictures; ++picture) {
    const auto begin = all.begin() + picture * tokens * kDim;
    some.insert(some.end(), begin + first * kDim, begin + end * kDim);
  }
  return some;
}

TEST_CASE("embed writes embeddings and tokens as the library gives them") {
  const Gallery here;
  const Result expected = here.expected(here.headless());
  for (const std::string batch : {"1", "2", "4096"}) {
    CAPTURE(batch);
    const NpyArray pooled = here.embed({"--batch", batch});
    CHECK(pooled.type == "<f4");
    CHECK(pooled.shape == std::vector<std::int64_t>{kPictures, kDim});
    check_same(pooled.values, expected.embedding);
  }
  const NpyArray cls = here.embed({"--tokens", "cls"});
  CHECK(cls.shape == std::vector<std::int64_t>{kPictures, kDim});
  check_same(cls.values, tokens_of(expected.tokens, kPatches + 1, 0, 1));
  const NpyArray patch = here.embed({"--tokens", "patch"});
  CHECK(patch.shape == std::vector<std::int64_t>{kPictures, kPatches, kDim});
  check_same(patch.values, tokens_of(expected.tokens, kPatches + 1, 1, kPatches + 1));
  const NpyArray all = here.embed({"--tokens", "all"});
  CHECK(all.shape == std::vector<std::int64_t>{kPictures, kPatches + 1, kDim});
  check_same(all.values, expected.tokens);
}

TEST_CASE("embed takes models with a head and on integers, and the list says whose a row is") {
  const Gallery here;
  for (const std::string& model : {here.model(), here.quantized("a.safetensors")}) {
    const Result expected = here.expected(model);
    check_same(here.embed({"--model", model}).values, expected.embedding);
  }
  std::string list = "row,file,error\n";
  for (int i = 0; i < kPictures; ++i) list += std::to_string(i) + ',' + here("set/" + Gallery::name(i)) + ",\n";
  CHECK(bytes_of_file(here.path("e.csv")) == list);
}

// A picture of `height` x `width` pixels, alone, in a folder of that name.
std::string lone_picture(const Gallery& here, int height, int width) {
  const std::string folder = std::to_string(height) + 'x' + std::to_string(width);
  fs::create_directory(here.path(folder));
  here.write(folder + "/p.ppm", ppm(width, height, 7));
  return here(folder);
}

TEST_CASE("embed --dynamic computes each picture at a size of its own, its positions resampled") {
  const Gallery here;
  // 50 x 70 pixels: 32 x 44 at the model's short side, 32 x 40 in whole patches.
  const std::string picture = lone_picture(here, 50, 70);
  for (const std::string tokens : {"pooled", "cls"}) {
    const NpyArray found = here.embed({"--images", picture, "--dynamic", "--tokens", tokens});
    const auto model = Model::open(here.headless())->resized({32, 40});
    CHECK(model->preprocessing().resize.width == 43);  // as much more as the picture is wider: 35 * 40 / 32
    Preprocessing how = model->preprocessing();
    how.resize = 32;
    const Image seen = resized(load_image(picture + "/p.ppm"), how);
    how.resize = 0;
    Session session(model, {.threads = 1, .preprocessing = how});
    const ImageView view(seen);
    const Result expected = session.run(std::span(&view, 1), {.logits = false, .embedding = true, .tokens = true});
    REQUIRE(std::ssize(found.values) == (kPictures + 1) * kDim);
    const std::vector<float> row(found.values.end() - kDim, found.values.end());
    check_same(row, tokens == "cls" ? std::vector<float>(expected.tokens.begin(), expected.tokens.begin() + kDim)
                                    : expected.embedding);
  }
}

TEST_CASE("embed --dynamic takes pictures as they are, resumes, and refuses what cannot be") {
  const Gallery here;
  const std::string whole = lone_picture(here, 40, 48);
  const std::string model = here.headless();
  const std::string more = here.path("f.npy").string();
  const auto args = [&](const std::vector<std::string>& options) {
    std::vector<std::string> all{"embed", "--model", model, "--images", whole, "--out", more, "--force"};
    all.insert(all.end(), options.begin(), options.end());
    return all;
  };
  here.accepts(args({"--dynamic", "--resize", "none"}));
  const std::vector<float> found = read_npy(here.path("f.npy")).values;
  here.accepts(args({"--image-size", "40x48", "--resize", "none"}));
  check_same(found, read_npy(here.path("f.npy")).values);
  here.refuses(args({"--dynamic", "--tokens", "patch"}), 2, {"--dynamic", "--tokens pooled or cls"});
  here.refuses(args({"--dynamic", "--resize", "64"}), 2, {"--dynamic", "--image-size"});
  here.refuses(args({"--dynamic", "--batch", "4"}), 2, {"--dynamic", "--batch 1"});
  here.refuses(args({"--image-size", "40x"}), 2, {"--image-size", "HxW"});
  here.refuses(args({"--image-size", "40x0"}), 2, {"--image-size", "HxW"});
}

TEST_CASE("embed of a model without a class token") {
  const Gallery here;
  const std::string model = here.headless("gap.safetensors", false);
  const Result expected = here.expected(model);
  check_same(here.embed({"--model", model}).values, expected.embedding);
  for (const std::string tokens : {"patch", "all"}) {
    const NpyArray found = here.embed({"--model", model, "--tokens", tokens});
    CHECK(found.shape == std::vector<std::int64_t>{kPictures, kPatches, kDim});
    check_same(found.values, expected.tokens);
  }
  here.refuses(here.args({"--model", model, "--tokens", "cls"}), 1,
               {"gap.safetensors: has no class token", "--tokens pooled"});
}

TEST_CASE("embed of a model whose embedding is a projection, of another size than its tokens") {
  const Gallery here;
  const std::string model = here.projecting();
  const Result expected = here.expected(model);
  const NpyArray pooled = here.embed({"--model", model});
  CHECK(pooled.shape == std::vector<std::int64_t>{kPictures, 24});
  check_same(pooled.values, expected.embedding);
  const NpyArray cls = here.embed({"--model", model, "--tokens", "cls"});
  CHECK(cls.shape == std::vector<std::int64_t>{kPictures, kDim});
  check_same(cls.values, tokens_of(expected.tokens, kPatches + 1, 0, 1));
  const NpyArray patch = here.embed({"--model", model, "--tokens", "patch"});
  CHECK(patch.shape == std::vector<std::int64_t>{kPictures, kPatches, kDim});
  check_same(patch.values, tokens_of(expected.tokens, kPatches + 1, 1, kPatches + 1));
  here.refuses({"run", "--model", model, here.picture()}, 1, {"its head is a projection, so there are no classes"});
  CHECK(here.accepts({"info", model}).find("a projection to 24") != std::string::npos);
}

TEST_CASE("float16 is the nearest and what does not fit is refused") {
  const Gallery here;
  const NpyArray exact = here.embed({});
  const NpyArray half = here.embed({"--dtype", "float16"});
  CHECK(half.type == "<f2");
  CHECK(half.shape == exact.shape);
  REQUIRE(half.values.size() == exact.values.size());
  int differing = 0;
  for (std::size_t i = 0; i < half.values.size(); ++i) {
    CHECK(half.values[i] == half_to_float(float_to_half(exact.values[i])));
    differing += half.values[i] == exact.values[i] ? 0 : 1;
  }
  CHECK(differing > 0);
  std::vector<std::uint8_t> bytes;
  append_npy(bytes, std::vector<float>{65504, std::numeric_limits<float>::quiet_NaN()}, NpyType::kFloat16, "a.jpg");
  CHECK(bytes == std::vector<std::uint8_t>{0xff, 0x7b, 0x00, 0x7e});
  CHECK_THROWS_WITH(append_npy(bytes, std::vector<float>{-70000}, NpyType::kFloat16, "a.jpg"),
                    "a.jpg: holds -70000, which is too large for float16; take float32");
}

TEST_CASE("headers are those that numpy writes") {
  // numpy 2.4: numpy.save of zeros of these shapes.
  const auto header = [](const std::string& dictionary) {
    return std::string("\x93NUMPY\x01\0v\0", 10) + dictionary + std::string(117 - dictionary.size(), ' ') + '\n';
  };
  CHECK(npy_header(NpyType::kFloat32, std::vector<std::int64_t>{3, 4}) ==
        header("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }"));
  CHECK(npy_header(NpyType::kFloat16, std::vector<std::int64_t>{1000000, 197, 768}) ==
        header("{'descr': '<f2', 'fortran_order': False, 'shape': (1000000, 197, 768), }"));
  CHECK(npy_header(NpyType::kFloat32, std::vector<std::int64_t>{7}) ==
        header("{'descr': '<f4', 'fortran_order': False, 'shape': (7,), }"));
}

TEST_CASE("normalized embeddings and tokens have length one and the same direction") {
  const Gallery here;
  for (const std::string tokens : {"pooled", "patch"}) {
    const NpyArray plain = here.embed({"--tokens", tokens});
    const NpyArray unit = here.embed({"--tokens", tokens, "--normalize"});
    REQUIRE(unit.values.size() == plain.values.size());
    for (std::size_t at = 0; at < unit.values.size(); at += kDim) {
      const auto sum = [at](const std::vector<float>& a, const std::vector<float>& b) {
        return std::inner_product(a.begin() + at, a.begin() + at + kDim, b.begin() + at, 0.0);
      };
      CHECK(sum(unit.values, unit.values) == doctest::Approx(1).epsilon(1e-6));
      CHECK(sum(unit.values, plain.values) ==
            doctest::Approx(std::sqrt(sum(plain.values, plain.values))).epsilon(1e-6));
    }
  }
}

TEST_CASE("an unreadable picture is a row of NaN and a line with the reason") {
  const Gallery here;
  const NpyArray all = here.embed({});
  here.write("set/1.ppm", "no picture");
  for (const std::string dtype : {"float32", "float16"}) {
    const Outcome outcome = here.run(here.args({"--dtype", dtype, "--batch", "2"}));
    CHECK(outcome.exit_code == 1);
    REQUIRE(lines_of(outcome.err).size() == 1);
    CHECK(outcome.err.starts_with("vitq: error: " + here("set/1.ppm") + ": "));
    CHECK(outcome.out.find("1 unreadable, rows of NaN\n") != std::string::npos);
    const NpyArray rest = read_npy(here.path("e.npy"));
    CHECK(rest.shape == all.shape);
    CHECK(std::ranges::all_of(rest.row(1), [](float value) { return std::isnan(value); }));
    if (dtype == "float32") {
      for (const int i : {0, 2, 3, 4}) check_same(rest.row(i), all.row(i));
    }
    const auto lines = lines_of(bytes_of_file(here.path("e.csv")));
    REQUIRE(lines.size() == kPictures + 1);
    const std::string reason = outcome.err.substr(std::string("vitq: error: ").size());
    CHECK(lines[2] == "1," + here("set/1.ppm") + ",\"" + reason.substr(0, reason.size() - 1) + '"');
    CHECK(lines[3] == "2," + here("set/2.ppm") + ',');
  }
}

TEST_CASE("pictures are listed under the names they have and as often as they are given") {
  const Gallery here;
  const std::vector<std::string> names{here.write("a, \"b\"\n.ppm", ppm(40, 40, 1)),
                                       here.write("\xff\xfe.ppm", ppm(40, 40, 2)), here("cat.ppm"), here("cat.ppm")};
  std::vector<std::string> args{"embed", "--model", here.headless(), "--out", here("n.npy")};
  args.insert(args.end(), names.begin(), names.end());
  here.accepts(args);
  CHECK(bytes_of_file(here.path("n.csv")) == "row,file,error\n0,\"" + here("a, \"\"b\"\"\n.ppm") + "\",\n1," +
                                                 here("\xff\xfe.ppm") + ",\n2," + here("cat.ppm") + ",\n3," +
                                                 here("cat.ppm") + ",\n");
  const NpyArray array = read_npy(here.path("n.npy"));
  check_same(array.row(2), array.row(3));
  CHECK(array.row(1) != array.row(2));
}

TEST_CASE("embed as JSON has the documented keys") {
  const Gallery here;
  const json record = json::parse(here.accepts(here.args({"--json", "--tokens", "patch", "--normalize"})));
  CHECK(record["out"] == here("e.npy"));
  CHECK(record["list"] == here("e.csv"));
  CHECK(record["shape"] == json{kPictures, kPatches, kDim});
  CHECK(record["pictures"] == kPictures);
  CHECK(record["unreadable"] == 0);
  CHECK(record["resumed"] == 0);
  CHECK(record["normalized"] == true);
  const std::string help = here.accepts({"help", "embed"});
  for (const auto& item : record.items()) {
    CAPTURE(item.key());
    CHECK(help.find(item.key()) != std::string::npos);
  }
}

}  // namespace
}  // namespace vitq::test
