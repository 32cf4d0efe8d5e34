// What is written and read does not depend on the program's global locale: a program of a country that writes 1.234,5
// must not make files that nobody else can read.

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <locale>
#include <sstream>
#include <string>

#include "engine/encoding.h"
#include "engine/error.h"
#include "models/describe.h"
#include "quant/calibrate.h"
#include "tests/small_models.h"
#include "tests/temporary_folder.h"
#include "weights/artifact.h"

using namespace vitq;

namespace {

/// 1.234,5
class Commas : public std::numpunct<char> {
  char do_decimal_point() const override { return ','; }
  char do_thousands_sep() const override { return '.'; }
  std::string do_grouping() const override { return "\3"; }
};

/// While it lives, the global locale has Commas; it needs none that is installed.
class CommaLocale {
 public:
  CommaLocale() : before_(std::locale::global(std::locale(std::locale::classic(), new Commas))) {}
  ~CommaLocale() { std::locale::global(before_); }
  CommaLocale(const CommaLocale&) = delete;
  CommaLocale& operator=(const CommaLocale&) = delete;

 private:
  std::locale before_;
};

std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

ModelDescription description() {
  ModelConfig config = test::small_vit(false);
  config.image_size = 1024;
  config.patch = 256;
  ModelDescription result = test::describe_config(config);
  result.preprocessing.resize = 1234;
  return result;
}

/// The bytes of an artifact of the small model, and of what its metadata says.
std::string artifact_bytes() {
  const test::TemporaryFolder folder;
  const ModelConfig config = test::small_vit(false);
  const auto pictures = test::random_floats(2 * 3 * config.image_size.pixels(), 5, -2, 2);
  QuantizeOptions options;
  options.weight_bits = 4;
  options.activation_bits = 4;
  options.threads = 1;
  QuantizedModel model = quantize_model(Checkpoint::seeded(expected_tensors(config), 1), test::describe_config(config),
                                        pictures, 2, options);
  model.artifact.write(folder.path() / "x");
  return bytes_of(folder.path() / "x");
}

}  // namespace

TEST_CASE("locale: the facet does what it is for") {
  const CommaLocale scope;
  std::ostringstream text;
  text << 1234.5;
  CHECK(text.str() == "1.234,5");
}

TEST_CASE("locale: metadata is written alike, and read back the same") {
  const auto expected = metadata_of(description());
  const CommaLocale scope;
  CHECK(metadata_of(description()) == expected);
  CHECK(expected.at("mean") == "0.485000014,0.456,0.405999988");
  CHECK(expected.at("resize") == "1234");

  const test::TemporaryFolder folder;
  const ModelDescription written = description();
  save_checkpoint(folder.path() / "x", Checkpoint::seeded(expected_tensors(written.config), 1), metadata_of(written));
  const ModelDescription read = describe(Checkpoint::open(folder.path() / "x"));
  CHECK(read.config == written.config);
  CHECK(read.preprocessing.mean == written.preprocessing.mean);
  CHECK(read.preprocessing.std == written.preprocessing.std);
  CHECK(read.preprocessing.resize == written.preprocessing.resize);
}

TEST_CASE("locale: an artifact is the same bytes") {
  const std::string expected = artifact_bytes();
  const CommaLocale scope;
  CHECK((artifact_bytes() == expected));
}

TEST_CASE("locale: messages have numbers as in C") {
  const CommaLocale scope;
  CHECK(text_of(1234567, ' ', 0.5) == "1234567 0.5");
  CHECK(to_string(Encoding{.dtype = DType::kU8, .scale = 0.5F, .zero_point = 1234}) ==
        "u8 of 8 bits (scale 0.5, zero point 1234)");
  CHECK_THROWS_WITH_AS(fail(1000), "1000", Error);
}
