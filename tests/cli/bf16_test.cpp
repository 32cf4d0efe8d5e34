// --precision bf16: what it runs, and what it is refused for.
#include "tests/bf16.h"

#include <doctest/doctest.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "tests/cli/fixture.h"

namespace vitq::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

TEST_CASE("run and eval in bf16 say so and stay close to fp32") {
  if (skips_without_bf16()) return;
  const Workplace here;
  const auto run = [&](const std::string& precision) {
    return json::parse(here.accepts(
        {"run", "--model", here.model(), "--precision", precision, "--topk", "10", "--json", here.picture()}));
  };
  const json bf16 = run("bf16");
  const json fp32 = run("fp32");
  CHECK(bf16["precision"] == "bf16");
  CHECK(bf16["top"] != fp32["top"]);
  CHECK(bf16["top"][0]["index"] == fp32["top"][0]["index"]);
  CHECK(std::abs(bf16["top"][0]["probability"].get<double>() - fp32["top"][0]["probability"].get<double>()) < 0.01);

  fs::create_directories(here.path("set/class_1"));
  fs::copy_file(here.picture(), here.path("set/class_1/a.ppm"));
  const json record = json::parse(here.accepts({"eval", "--model", here.model(), "--precision", "bf16", "--images",
                                                here("set"), "--against", "fp32", "--format", "json"}));
  CHECK(record["precision"] == "bf16");
  CHECK(record["precision_reference"] == "fp32");
  CHECK(record["reference"] == here.model());
  CHECK(record["agreement"] == 1.0);
  CHECK(record["sqnr_db"].get<double>() > 30);
  CHECK(record["sqnr_db"].get<double>() < 70);
}

TEST_CASE("bf16 is refused where the CPU does not multiply it, with its instruction set and what to do") {
  const Workplace here;
  for (const std::string isa : {"AVX2", "AVX512_CORE_VNNI"}) {
    const Setting capped{.environment = {{"ONEDNN_MAX_CPU_ISA", isa}}};
    for (const std::string command : {"run", "eval"}) {
      here.refuses({command, "--model", here.model(), "--precision", "bf16", command == "run" ? "--image" : "--images",
                    command == "run" ? here.picture() : here("")},
                   1, {"bf16", "instruction set is AVX", "expected AVX512_CORE_BF16 or AVX512_CORE_AMX", "float32"},
                   capped);
    }
    CHECK(here.accepts({"info"}, capped).find("--precision bf16 is refused") != std::string::npos);
  }
}

TEST_CASE(
    "VITQ_ISA holds the kernels and oneDNN, whatever the case of its letters, and is refused where it is unknown") {
  const Workplace here;
  const auto info = [&](const std::string& limit, const std::string& onednn) {
    return here.accepts({"info"}, {.environment = {{"VITQ_ISA", limit}, {"ONEDNN_MAX_CPU_ISA", onednn}}});
  };
  const std::string held = info("sse4", "DEFAULT");
  CHECK(held.find("kernels         sse4") != std::string::npos);
  CHECK(held.find("ISA             SSE41") != std::string::npos);
  CHECK(info("SSE4", "DEFAULT") == held);
  const std::string both = info("amx", "SSE41");  // the lower of the two holds for oneDNN
  CHECK(both.find("ISA             SSE41") != std::string::npos);
  const Setting unknown{.environment = {{"VITQ_ISA", "avx3"}}};
  here.refuses({"info"}, 1, {"VITQ_ISA is \"avx3\"", "expected one of sse4, avx2, avx512"}, unknown);
  here.refuses({"run", here.picture()}, 1, {"VITQ_ISA is \"avx3\""}, unknown);
}

TEST_CASE("bf16 of an artifact is refused") {
  const Workplace here;
  const std::string artifact = here.quantized("small.w8a8.safetensors");
  here.refuses({"run", "--model", artifact, "--precision", "bf16", here.picture()}, 1,
               {"small.w8a8.safetensors", "is a w8a8 artifact", "expected a float32 model (--precision bf16)"});
}

}  // namespace
}  // namespace vitq::test
