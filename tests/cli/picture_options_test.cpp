// Pictures as commands read them: turned or as stored, whole or reduced.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "tests/cli/fixture.h"
#include "tests/picture_bytes.h"

namespace vitq::test {
namespace {

using nlohmann::json;

std::string text_of(const Bytes& bytes) { return {bytes.begin(), bytes.end()}; }

/// A picture 16 x 8, its left half black, and the same with an orientation of 6.
struct Turned {
  explicit Turned(const Workplace& here) {
    const Bytes grey = from_hex(kGreyJpeg);
    plain = here.write("plain.jpg", text_of(grey));
    Bytes turned(grey.begin(), grey.begin() + 2);
    append(turned, jpeg_segment(0xE1, exif(6)));
    turned.insert(turned.end(), grey.begin() + 2, grey.end());
    marked = here.write("marked.jpg", text_of(turned));
  }
  std::string plain, marked;
};

json answer(const Workplace& here, const std::vector<std::string>& more) {
  std::vector<std::string> args{"run", "--model", here.model(), "--json"};
  args.insert(args.end(), more.begin(), more.end());
  return json::parse(here.accepts(args))["top"];
}

TEST_CASE("run turns a picture as its EXIF orientation says, but with --no-exif") {
  const Workplace here;
  const Turned pictures(here);
  const json plain = answer(here, {pictures.plain});
  CHECK(answer(here, {pictures.marked}) != plain);
  CHECK(answer(here, {pictures.marked, "--no-exif"}) == plain);
  CHECK(answer(here, {pictures.plain, "--no-exif"}) == plain);
}

TEST_CASE("eval and quantize take --no-exif and say so in what they write") {
  const Workplace here;
  const Turned pictures(here);
  const std::string labels = here.write("labels.csv", "file,label\nmarked.jpg,3\n");
  const std::string folder = here.path("").string();
  const std::vector<std::string> eval{"eval",     "--model", here.model(), "--images", folder,
                                      "--labels", labels,    "--format",   "json"};
  const auto preprocessing = [&](const std::vector<std::string>& args) {
    return json::parse(here.run(args).out)["preprocessing"].get<std::string>();
  };
  CHECK_FALSE(preprocessing(eval).ends_with("(EXIF ignored)"));
  std::vector<std::string> without = eval;
  without.emplace_back("--no-exif");
  CHECK(preprocessing(without).ends_with("(EXIF ignored)"));
  const std::vector<std::string> quantize{"quantize",      "--model",      here.model(),     "--images",
                                          pictures.marked, here.picture(), "--count",        "2",
                                          "--json",        "--out",        here("artifact"), "--no-exif"};
  CHECK(json::parse(here.run(quantize).out)["calibration_exif"] == "ignored");
}

TEST_CASE("a JPEG above the limit of pixels is read at a part of its sides, and that is said once") {
  const Workplace here;
  const std::string huge = here.write("huge.jpg", text_of(flat_jpeg(10400, 10400)));
  const std::vector<std::string> args{"run", "--model", here.model(), "--topk", "1", huge, huge};
  const Outcome outcome = here.run(args);
  CHECK(outcome.exit_code == 0);
  const std::string said = "read at 1/2 of its sides";
  CHECK(outcome.err.find(said) != std::string::npos);
  CHECK(outcome.err.find(said) == outcome.err.rfind(said));
  here.refuses({"run", "--model", here.model(), "--strict", huge}, 1, {"huge.jpg", said, "--strict"});
  here.refuses({"run", "--model", here.model(), "--resize", "none", huge}, 1, {"huge.jpg", "too large"});
}

}  // namespace
}  // namespace vitq::test
