// The codes of typical failures, room by room: what a caller can do about each, without reading the message.

#include "vitq/error.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/error.h"
#include "engine/gemm/onednn.h"
#include "engine/gemm/packed_weights.h"
#include "engine/kernels/requantize.h"
#include "engine/picture/resize.h"
#include "models/describe.h"
#include "models/zoo.h"
#include "quant/calibrate.h"
#include "quant/weights.h"
#include "tests/picture_bytes.h"
#include "tests/small_models.h"
#include "tests/temporary_folder.h"
#include "vitq/image.h"
#include "weights/artifact.h"
#include "weights/checkpoint.h"
#include "weights/packing.h"
#include "weights/torch_checkpoint.h"

using namespace vitq;

namespace {

/// The code that `work` fails with. Empty where it does not fail.
template <class Work>
std::string code_of(Work&& work) {
  try {
    work();
  } catch (const Error& error) {
    CHECK_FALSE(std::string(error.what()).empty());
    return name_of(error.code());
  }
  return "";
}

Checkpoint checkpoint_with(const std::map<std::string, std::string>& metadata) {
  const test::TemporaryFolder folder;
  const auto path = folder.path() / "model.safetensors";
  save_checkpoint(path, Checkpoint::seeded(expected_tensors(test::small_vit(false)), 1), metadata);
  return Checkpoint::open(path);
}

}  // namespace

TEST_CASE("a code is what was given, the usual one is argument, and a message is put together on failure alone") {
  CHECK(code_of([] { fail("three is ", 3); }) == "argument");
  CHECK(code_of([] { fail(ErrorCode::kCancelled, "stopped"); }) == "cancelled");
  CHECK(code_of([] { check(false, ErrorCode::kMemory, "no ", 5, " bytes"); }) == "memory");
  CHECK(code_of([] { check(true, ErrorCode::kMemory, "no ", 5, " bytes"); }).empty());
  CHECK_THROWS_WITH_AS(fail(ErrorCode::kFile, "x", ": ", 1.5), "x: 1.5", Error);
}

TEST_CASE("engine: sizes that do not fit are the caller's, too little memory is memory's") {
  std::vector<float> four(4);
  std::vector<std::uint8_t> bytes(4);
  CHECK(code_of([&] {
          quantize(Tensor(four.data(), {2, 2}), Tensor(bytes.data(), {1, 4}, Encoding{.dtype = DType::kU8}));
        }) == "argument");
  CHECK(code_of([&] { PackedWeights::of_floats(four, {}, 2, 3, DType::kF32); }) == "argument");
  CHECK(code_of([] { Buffer(std::size_t{1} << 60); }) == "memory");
}

TEST_CASE("engine: bf16 on a CPU without it is unsupported") {
  if (has_bf16()) {
    CHECK(code_of([] { PackedWeights::of_floats(std::vector<float>(6), {}, 2, 3, DType::kBF16); }).empty());
    return;
  }
  CHECK(code_of([] { PackedWeights::of_floats(std::vector<float>(6), {}, 2, 3, DType::kBF16); }) == "unsupported");
}

TEST_CASE("pictures: missing, damaged, of another format, too large, of another size than asked for") {
  const test::TemporaryFolder folder;
  CHECK(code_of([&] { load_image(folder.path() / "none.png"); }) == "file");
  CHECK(code_of([&] { load_image(folder.path()); }) == "file");
  CHECK(code_of([&] { load_image(folder.write("empty.png", "")); }) == "format");
  CHECK(code_of([] { decode_image(test::bytes_of("P6 2 2 255\nabc"), "cut"); }) == "format");
  CHECK(code_of([] { decode_image(test::bytes_of("GIF89a and so on"), "gif"); }) == "unsupported");
  CHECK(code_of([] { decode_image(test::bytes_of("P6 60000 60000 255\n"), "large"); }) == "unsupported");
  const Image image{.width = 4, .height = 4, .rgb = std::vector<std::uint8_t>(48)};
  CHECK(code_of([&] { center_crop(image, 5); }) == "argument");
  CHECK(code_of([&] { resize(image, 0, 4); }) == "argument");
}

TEST_CASE("weights: a missing file, one that cannot be written, one that is cut, one of a newer kind") {
  const test::TemporaryFolder folder;
  CHECK(code_of([&] { Checkpoint::open(folder.path() / "none"); }) == "file");
  CHECK(code_of([&] { Checkpoint::open(folder.path()); }) == "file");
  const Checkpoint seeded = Checkpoint::seeded({{"a", {2, 3}}}, 1);
  CHECK(code_of([&] { save_checkpoint(folder.path(), seeded, {}); }) == "file");
  CHECK(code_of([&] { save_checkpoint(folder.path() / "x", seeded, {{"key", "\xff"}}); }) == "argument");
  const auto path = folder.path() / "model.safetensors";
  save_checkpoint(path, seeded, {});
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
  CHECK(code_of([&] { Checkpoint::open(path); }) == "format");
  CHECK(code_of([&] { seeded.require({{"a", {3, 2}}}, ""); }) == "format");
  CHECK(code_of([&] { Checkpoint::seeded({{"a", {2}}, {"a", {2}}}, 1); }) == "argument");
  CHECK(code_of([] { check_artifact_schema(checkpoint_with({{"format", "vitq"}, {"schema", "?"}})); }) == "format");
  CHECK(code_of([] {
          check_artifact_schema(checkpoint_with({{"format", "vitq"}, {"schema", "999"}}));
        }) == "unsupported");
}

TEST_CASE("weights: packed codes that are handed over, and packed codes that are read") {
  const std::vector<std::uint8_t> codes{9};
  CHECK(code_of([&] { pack_bits(codes, 3); }) == "argument");
  CHECK(code_of([&] { unpack_bits(codes, 1000, 3); }) == "format");
}

TEST_CASE("weights: a PyTorch file that is none, and one of the format that PyTorch has left") {
  const test::TemporaryFolder folder;
  CHECK(code_of([&] { read_torch_checkpoint(folder.write("x.pth", "not a zip")); }) == "format");
  CHECK(code_of([&] { read_torch_checkpoint(folder.write("x.pth", "PK\3\4 cut")); }) == "format");
  CHECK(code_of([&] {
          read_torch_checkpoint(folder.write("x.pth", "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."));
        }) == "unsupported");
}

TEST_CASE("models: a number that the caller got wrong is an argument, the same number in a file is the file's") {
  ModelConfig config = test::small_vit(false);
  config.vit().blocks.heads = 3;
  CHECK(code_of([&] { check_config(config); }) == "argument");
  CHECK(code_of([] { describe(checkpoint_with({{"format", "vitq"}, {"heads", "3"}})); }) == "format");
  CHECK(code_of([] {
          describe(checkpoint_with({{"format", "vitq"}, {"heads", "2"}, {"patch_size", "0"}}));
        }) == "format");
  CHECK(code_of([] { describe(checkpoint_with({{"format", "vitq"}, {"heads", "two"}})); }) == "format");
  CHECK(code_of([] { resize_for_crop(224, 2); }) == "argument");
  CHECK(code_of([] {
          describe(checkpoint_with({{"format", "vitq"}, {"heads", "2"}, {"crop_pct", "2"}}));
        }) == "format");
  CHECK(code_of([] {
          describe(checkpoint_with({{"format", "vitq"}, {"heads", "2"}, {"mean", "0.5,nan,0.5"}}));
        }) == "format");
  CHECK(code_of([] { describe(checkpoint_with({{"format", "vitq"}, {"heads", "2"}})); }).empty());
}

TEST_CASE("models: a name that nobody has, and a name whose weights are not here") {
  CHECK(code_of([] { locate_model("resnet50"); }) == "argument");
  CHECK(code_of([] { seeded_checkpoint("resnet50"); }) == "argument");
  const test::TemporaryFolder folder;
  ::setenv("VITQ_HOME", folder.path().c_str(), 1);
  CHECK(code_of([] { locate_model("deit_t"); }) == "file");
  ::unsetenv("VITQ_HOME");
}

TEST_CASE("quant: options out of range, no pictures") {
  const ModelConfig config = test::small_vit(false);
  const Checkpoint checkpoint = Checkpoint::seeded(expected_tensors(config), 1);
  const auto quantize_with = [&](const QuantizeOptions& options) {
    return code_of([&] { quantize_model(checkpoint, test::describe_config(config), {}, 0, options); });
  };
  QuantizeOptions options;
  CHECK(quantize_with(options) == "argument");
  options.weight_bits = 9;
  CHECK(quantize_with(options) == "argument");
  options = {};
  options.keep_float = {"fc3"};
  CHECK(quantize_with(options) == "argument");
}

TEST_CASE("no message of the library names a command or an option of the program") {
  const test::TemporaryFolder folder;
  ::setenv("VITQ_HOME", folder.path().c_str(), 1);
  const auto message = [](auto&& work) -> std::string {
    try {
      work();
    } catch (const Error& error) {
      return error.what();
    }
    return "--none";
  };
  const std::vector<std::string> messages = {
      message([] { Buffer(std::size_t{1} << 60); }),
      message([&] { Checkpoint::open(folder.write("x.pth", "PK\3\4 and a little more than eight bytes")); }),
      message([] { locate_model("deit_t"); }),
      message([] { locate_model("resnet50"); }),
      message([] { seeded_checkpoint("resnet50"); }),
      message([] { resize_for_crop(224, 2); }),
  };
  ::unsetenv("VITQ_HOME");
  for (const std::string& text : messages) {
    CAPTURE(text);
    CHECK(text.find("--") == std::string::npos);
    CHECK(text.find("`vitq") == std::string::npos);
  }
}
