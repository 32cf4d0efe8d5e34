// The model of a program that was told none: found beside the program, wherever that is moved to.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "tests/cli/fixture.h"

namespace vitq::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

/// A copy of the program in a prefix of its own, without a model yet.
class Prefix : public Workplace {
 public:
  Prefix() {
    fs::create_directories(path("prefix/bin"));
    fs::create_directories(path("prefix/share/vitq"));
    fs::copy_file(program(), path("prefix/bin/vitq"));
  }

  [[nodiscard]] Setting own() const { return {.program = (*this)("prefix/bin/vitq")}; }

  json run_built_in(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> args{"run", "--json", "--topk", "10", picture()};
    args.insert(args.end(), more.begin(), more.end());
    return json::parse(accepts(args, own()));
  }
};

TEST_CASE("without a built-in model one must be named") {
  const Prefix here;
  here.refuses({"run", here.picture()}, 2,
               {"--model is needed", "built-in model is not here", "prefix/share/vitq/vit_cifar10.w8a8.safetensors",
                "prefix/bin/builtin/vit_cifar10.safetensors", "vitq seed", "VITQ_HOME"},
               here.own());
  here.accepts({"run", "--model", here.model(), here.picture()}, here.own());
}

TEST_CASE("the built-in model is the artifact if it is there and moves with its prefix") {
  const Prefix here;
  const fs::path share = here.path("prefix/share/vitq");
  const auto top_of = [&](const std::string& model) {
    return json::parse(here.accepts({"run", "--json", "--topk", "10", "--model", model, here.picture()}))["top"];
  };
  fs::copy_file(here.model(), share / "vit_cifar10.safetensors");
  CHECK(here.run_built_in()["precision"] == "fp32");
  here.refuses({"run", "--precision", "int8", here.picture()}, 2, {"vit_cifar10.w8a8.safetensors"}, here.own());

  const std::string artifact = here.quantized("made.safetensors");
  fs::copy_file(artifact, share / "vit_cifar10.w8a8.safetensors");
  const json integer = here.run_built_in();
  CHECK(integer["precision"] == "w8a8");
  CHECK(integer["top"] == top_of(artifact));
  CHECK(here.run_built_in({"--precision", "int8"})["top"] == integer["top"]);
  const json fp32 = here.run_built_in({"--precision", "fp32"});
  CHECK(fp32["precision"] == "fp32");
  CHECK(fp32["top"] == top_of(here.model()));
  CHECK(fp32["top"] != integer["top"]);

  fs::rename(here.path("prefix"), here.path("moved"));
  fs::create_symlink(here.path("moved/bin/vitq"), here.path("link"));
  for (const std::string name : {"moved/bin/vitq", "link"}) {
    CAPTURE(name);
    const Setting moved{.program = here(name)};
    CHECK(json::parse(here.accepts({"run", "--json", here.picture()}, moved))["precision"] == "w8a8");
  }
}

TEST_CASE("the program of a build finds the built-in model through the link beside it") {
  const Prefix here;
  fs::create_directory(here.path("source"));
  fs::create_directory_symlink(here.path("source"), here.path("prefix/bin/builtin"));
  fs::copy_file(here.model(), here.path("source/vit_cifar10.safetensors"));
  CHECK(here.run_built_in()["precision"] == "fp32");
  // eval, quantize and --against fp32 take it too; the installed one comes first.
  fs::create_directories(here.path("set/class_1"));
  fs::copy_file(here.picture(), here.path("set/class_1/a.ppm"));
  const fs::path installed = here.path("prefix/share/vitq/vit_cifar10.w8a8.safetensors");
  here.accepts({"quantize", "--images", here.picture(), "--count", "1", "--out", installed.string()}, here.own());
  const json record =
      json::parse(here.accepts({"eval", "--images", here("set"), "--against", "fp32", "--format", "json"}, here.own()));
  CHECK(record["file"] == installed.string());
  CHECK(record["precision"] == "w8a8");
  CHECK(record["reference"] == here("prefix/bin/builtin/vit_cifar10.safetensors"));
}

}  // namespace
}  // namespace vitq::test
