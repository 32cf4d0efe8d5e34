// What `vitq quantize` says of pictures to which nothing can be fitted.
#include <doctest/doctest.h>

#include <filesystem>

#include "tests/cli/fixture.h"

namespace vitq::test {
namespace {

/// A binary PPM of one colour, 40 x 40.
std::string plain_ppm(char level) { return "P6 40 40 255\n" + std::string(std::size_t{3} * 40 * 40, level); }

/// A folder of four pictures, the i-th as `picture(i)` says.
template <class Picture>
std::string folder_of(const Workplace& here, const std::string& name, const Picture& picture) {
  std::filesystem::create_directory(here.path(name));
  for (int i = 0; i < 4; ++i) here.write(name + '/' + std::to_string(i) + ".ppm", picture(i));
  return here(name);
}

std::vector<std::string> quantize(const Workplace& here, const std::string& images, const std::string& out) {
  return {"quantize", "--model", here.model(), "--images", images, "--count", "4", "--out", here(out)};
}

TEST_CASE("quantize warns of equal pictures, pictures of one colour and sites without range") {
  const Workplace here;
  const std::string black = folder_of(here, "black", [](int) { return plain_ppm(0); });
  const Outcome outcome = here.run(quantize(here, black, "black.safetensors"));
  CHECK(outcome.exit_code == 0);
  for (const char* said : {"warning: calibration: all 4 pictures are the same",
                           "warning: calibration: 4 of 4 pictures are of one colour: 0.ppm, 1.ppm, 2.ppm and 1 more"}) {
    CAPTURE(said);
    CHECK(outcome.err.find(said) != std::string::npos);
  }
  CHECK(outcome.out.find("no measure of how good the model is") != std::string::npos);

  const std::string three = folder_of(here, "three", [](int i) { return i < 3 ? ppm(40, 40, 1) : ppm(40, 40, 2); });
  CHECK(here.run(quantize(here, three, "three.safetensors")).err.find("of 4 pictures only 2 are different") !=
        std::string::npos);
  const std::string one = folder_of(here, "one", [](int i) { return i == 2 ? plain_ppm(9) : ppm(40, 40, i); });
  CHECK(here.run(quantize(here, one, "one.safetensors")).err.find("1 of 4 pictures are of one colour: 2.ppm") !=
        std::string::npos);
}

TEST_CASE("with --strict a calibration to which nothing can be fitted writes no artifact, and --quiet says nothing") {
  const Workplace here;
  const std::string black = folder_of(here, "black", [](int) { return plain_ppm(0); });
  std::vector<std::string> strict = quantize(here, black, "strict.safetensors");
  strict.emplace_back("--strict");
  here.refuses(strict, 1, {"all 4 pictures are the same", "--strict"});
  CHECK_FALSE(std::filesystem::exists(here.path("strict.safetensors")));
  std::vector<std::string> quiet = quantize(here, black, "quiet.safetensors");
  quiet.emplace_back("--quiet");
  here.accepts(quiet);
}

TEST_CASE("ordinary pictures give no warning, not even with --strict") {
  const Workplace here;
  const std::string some = folder_of(here, "some", [](int i) { return ppm(40, 40, i); });
  std::vector<std::string> strict = quantize(here, some, "some.safetensors");
  strict.emplace_back("--strict");
  here.accepts(strict);
}

}  // namespace
}  // namespace vitq::test
