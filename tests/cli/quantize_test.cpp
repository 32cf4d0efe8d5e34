// `vitq quantize`, and what the other commands do with what it writes.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "cli/sample.h"
#include "cli/sha256.h"
#include "engine/gemm/onednn.h"
#include "engine/isa.h"
#include "tests/cli/fixture.h"
#include "weights/safetensors.h"

namespace vitq::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> quantize(const Workplace& here, const std::vector<std::string>& more) {
  std::vector<std::string> args{"quantize", "--model", here.model(), "--images", here.calibration_pictures()};
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

TEST_CASE("quantize says what it did and writes it into the artifact") {
  const Workplace here;
  const std::string file = here("small.w4a8.safetensors");
  const json record = json::parse(here.accepts(quantize(here, {"--out",
                                                               file,
                                                               "--count",
                                                               "5",
                                                               "--seed",
                                                               "7",
                                                               "--preset",
                                                               "w4a8",
                                                               "--softmax",
                                                               "logsqrt2",
                                                               "--scale-factor",
                                                               "mean",
                                                               "--no-bias-correction",
                                                               "--fold-strength",
                                                               "0.25",
                                                               "--rounding",
                                                               "nearest",
                                                               "--code-books",
                                                               "fc2",
                                                               "--even-weights",
                                                               "--keep-float",
                                                               "fc1,blocks.0.attn.proj",
                                                               "--threads",
                                                               "1",
                                                               "--json"})));
  CHECK(record["file"] == file);
  CHECK(record["precision"] == "w4a8");
  CHECK(record["edge_bits"] == 8);
  CHECK(record["threads"] == 1);
  CHECK(record["bytes"] == fs::file_size(file));
  CHECK(record["calibration_s"].get<double>() >= 0);
  CHECK(record["ratio_to_fp32"].get<double>() < 1);

  std::vector<fs::path> all;
  for (int i = 0; i < 8; ++i) all.push_back(here.path("calib/c" + std::to_string(i) + ".ppm"));
  std::string lines;
  std::vector<std::string> names;
  names.reserve(5);
  for (const fs::path& picture : sample_pictures(all, 5, 7)) {
    names.push_back(picture.filename().string());
    lines += sha256_of_file(picture) + "  " + names.back() + '\n';
  }
  CHECK(record["pictures"] == names);
  const std::string sha256_of_lines = sha256({reinterpret_cast<const std::uint8_t*>(lines.data()), lines.size()});
  CHECK(record["calibration_sha256"] == sha256_of_lines);

  // One site for the patch embedding and the head, five per block.
  REQUIRE(record["sites"].size() == 2 + 2 * 5);
  for (const json& site : record["sites"]) {
    const std::string name = site["name"];
    CAPTURE(name);
    const bool is_float = name.ends_with("fc1") || name == "blocks.0.attn.proj";
    const bool is_edge = name == "head" || name == "patch_embed.proj";
    const bool is_attention = name.ends_with(".attn");
    CHECK(site["weight_bits"] == (is_float || is_attention ? 0 : is_edge ? 8 : 4));
    CHECK(site["input_bits"] == (is_float ? 0 : 8));
    if (!is_float) CHECK(site["sqnr_db"].get<double>() > 5);
  }

  const auto metadata = SafetensorsFile{fs::path(file)}.metadata();
  const std::vector<std::pair<std::string, std::string>> expected{{"format", "vitq"},
                                                                  {"schema", "2"},
                                                                  {"precision", "w4a8"},
                                                                  {"weight_bits", "4"},
                                                                  {"activation_bits", "8"},
                                                                  {"softmax", "logsqrt2"},
                                                                  {"scale_factor", "mean"},
                                                                  {"fold_strength", "0.25"},
                                                                  {"rounding", "nearest"},
                                                                  {"code_books", "fc2"},
                                                                  {"weight_code_books", "false"},
                                                                  {"bias_correction", "false"},
                                                                  {"calibration_count", "5"},
                                                                  {"calibration_seed", "7"},
                                                                  {"source", "small.safetensors"},
                                                                  {"calibration_sha256", sha256_of_lines},
                                                                  {"keep_float", "fc1,blocks.0.attn.proj"}};
  for (const auto& entry : expected) {
    CAPTURE(entry.first);
    REQUIRE(metadata.contains(entry.first));
    CHECK(metadata.at(entry.first) == entry.second);
  }
  CHECK(json::parse(metadata.at("report")) == record["sites"]);

  const std::string info = here.accepts({"info", file});
  for (const std::string part : {"precision       w4a8, edges 8 bits, schema 2", "softmax logsqrt2, scale factor mean",
                                 "rounding nearest, code books fc2", "made from       small.safetensors", " of float32",
                                 "blocks.1.attn.qkv ", "site ", "SQNR dB", "TanQ a"}) {
    CAPTURE(part);
    CHECK(info.find(part) != std::string::npos);
  }
}

TEST_CASE("quantize is the same every time, whatever the threads and the order of the pictures") {
  const Workplace here;
  const std::string first = bytes_of(here.quantized("a.safetensors", {"--threads", "1", "--preset", "w4a4"}));
  CHECK(bytes_of(here.quantized("b.safetensors", {"--threads", "2", "--preset", "w4a4"})) == first);
  std::vector<std::string> args{
      "quantize", "--model", here.model(), "--out", here("c.safetensors"), "--weight-bits=4", "--activation-bits=4",
      "--count",  "8",       "--images"};
  for (int i = 7; i >= 0; --i) args.push_back(here("calib/c" + std::to_string(i) + ".ppm"));
  here.accepts(args);
  CHECK(bytes_of(here("c.safetensors")) == first);
  CHECK(bytes_of(here.quantized("d.safetensors", {"--preset", "w4a4", "--count", "3"})) != first);
}

TEST_CASE("quantize --max-mb keeps to the size and says which bits each layer got") {
  const Workplace here;
  const auto eight = static_cast<double>(fs::file_size(here.quantized("a.safetensors")));
  const double limit = 0.85 * eight;
  const json record = json::parse(here.accepts(quantize(
      here, {"--out", here("b.safetensors"), "--count", "8", "--max-mb", std::to_string(limit / 1e6), "--json"})));
  CHECK(record["precision"] == "wxa8");
  CHECK(record["fold_strength"].is_null());
  CHECK(record["bytes"].get<double>() <= limit);
  int least = 8;
  for (const json& site : record["sites"]) {
    if (site["weight_bits"] != 0) least = std::min(least, site["weight_bits"].get<int>());
  }
  CHECK(least < 8);
  CHECK(here.accepts({"info", here("b.safetensors")}).find("precision       wxa8") != std::string::npos);
  CHECK(json::parse(here.accepts({"run", "--model", here("b.safetensors"), "--json", here.picture()}))["precision"] ==
        "wxa8");
}

TEST_CASE("the table of quantize names every site and where it went") {
  const Workplace here;
  const auto lines = lines_of(here.accepts(quantize(here, {"--out", here("x.safetensors"), "--count", "2"})));
  REQUIRE(lines.size() == 1 + 12 + 5);
  CHECK(lines[0].starts_with("site"));
  CHECK(lines[1].starts_with("patch_embed.proj"));
  CHECK(lines[12].starts_with("head"));
  CHECK(lines[13].ends_with("It is no measure of how good the model is."));
  CHECK(lines[15].starts_with(here("x.safetensors") + ": vit w8a8, "));
  CHECK(lines[16].starts_with("calibrated on 2 pictures (seed 0) in "));
  CHECK(lines[17].starts_with("sha256 of the pictures "));
}

TEST_CASE("an artifact keeps the model's preprocessing, and --resize is for its calibration alone") {
  const Workplace here;
  const auto preprocessing = [&](const std::vector<std::string>& more) {
    const auto lines = lines_of(here.accepts({"info", here.quantized("x.safetensors", more)}));
    const auto line = std::ranges::find_if(lines, [](const auto& text) { return text.starts_with("preprocessing"); });
    fs::remove(here.path("x.safetensors"));
    return line == lines.end() ? std::string() : *line;
  };
  const std::string usual = preprocessing({});
  CHECK(usual.find("resize 35 (bicubic), centre crop 32, mean 0.485,0.456,0.406") != std::string::npos);
  CHECK(preprocessing({"--resize", "none"}) == usual);
  CHECK(preprocessing({"--mean", "0.5,0.25,0.5"}).find("mean 0.5,0.25,0.5") != std::string::npos);
  CHECK(preprocessing({"--crop-pct", "0.5"}).find("resize 64 ") != std::string::npos);
}

TEST_CASE("quantize refuses what it cannot work with and leaves nothing behind") {
  const Workplace here;
  const std::string out = here("x.safetensors");
  const auto refuses = [&](const std::vector<std::string>& more, const std::vector<std::string>& words) {
    here.refuses(quantize(here, more), 1, words);
    CHECK_FALSE(fs::exists(out));
  };
  refuses({"--out", out}, {"found 8 pictures, expected at least 32 (--count)"});
  refuses({"--out", out, "--count", "9"}, {"found 8 pictures, expected at least 9"});
  refuses({"--out", here("nowhere/x"), "--count", "8"}, {"nowhere", "mkdir -p"});
  refuses({"--out", out, "--count", "8", "--keep-float", "blocks.0.attn.prj"}, {"blocks.0.attn.prj", "expected"});
  refuses({"--out", out, "--count", "8", "--code-books", "fc3"}, {"code_books: no site 'fc3'", "expected"});
  refuses({"--out", out, "--count", "8", "--code-books", "qkv"}, {"code_books: qkv", "expected fc2, proj"});
  refuses({"--out", out, "--count", "8", "--max-mb", "0.01"}, {"may have 10000 bytes, expected at least"});
  refuses({"--out", out, "--count", "8", "--model", here("missing.safetensors")}, {"missing.safetensors"});
  here.refuses({"quantize", "--model", here.model(), "--images", here("missing.jpg"), "--out", out, "--count", "1"}, 1,
               {"missing.jpg", "no such file"});
  fs::create_directory(here.path("empty"));
  here.refuses({"quantize", "--model", here.model(), "--images", here("empty"), "--out", out}, 1,
               {"empty", "no pictures in this directory"});
  here.write("calib/c3.ppm", "no picture");
  refuses({"--out", out, "--count", "8"}, {"c3.ppm"});
  here.write("calib/c3.ppm", ppm(3, 3, 1));
  refuses({"--out", out, "--count", "8", "--resize", "none"}, {"c3.ppm", "32"});

  here.write("calib/c3.ppm", ppm(50, 40, 53));
  const std::string artifact = here.quantized("a.safetensors");
  here.refuses(quantize(here, {"--out", artifact, "--count", "8"}), 1, {"a.safetensors", "exists already", "--force"});
  here.accepts(quantize(here, {"--out", artifact, "--count", "8", "--force"}));
  refuses({"--model", artifact, "--out", out, "--count", "8"}, {"a.safetensors", "is a w8a8 artifact", "float32"});
}

TEST_CASE("the precision that is asked for must be that of the file") {
  const Workplace here;
  const std::string artifact = here.quantized("small.w8a8.safetensors");
  const auto run = [&](const std::string& model, const std::vector<std::string>& more) {
    std::vector<std::string> args{"run", "--model", model, here.picture()};
    args.insert(args.end(), more.begin(), more.end());
    return args;
  };
  CHECK(lines_of(here.accepts(run(artifact, {}))).back().starts_with("model vit, w8a8, "));
  CHECK(json::parse(here.accepts(run(artifact, {"--precision", "int8", "--json"})))["precision"] == "w8a8");
  CHECK(json::parse(here.accepts(run(here.model(), {"--precision", "fp32", "--json"})))["precision"] == "fp32");
  here.refuses(run(artifact, {"--precision", "fp32"}), 1, {"small.w8a8.safetensors", "is a w8a8 artifact"});
  here.refuses(run(here.model(), {"--precision", "int8"}), 1, {"small.safetensors", "float32", "vitq quantize"});
  here.refuses(run("deit_t", {"--precision", "int8"}), 1, {"deit_t.w8a8.safetensors", "vitq quantize --model deit_t"});
  fs::create_directory(here.path("home"));
  fs::copy_file(artifact, here.path("home/deit_t.w8a8.safetensors"));
  here.refuses(run("deit_t", {"--precision", "int8"}), 1, {"home/deit_t.w8a8.safetensors", "expected"});
}

TEST_CASE("an artifact is nearly right where bytes saturate and says that it runs at seven bits, and exact with AVX2") {
  const Workplace here;
  const std::string artifact = here.quantized("small.w8a8.safetensors");
  const auto top = [](const std::string& out) {
    std::vector<double> probabilities(10);
    const json record = json::parse(out);
    for (const json& entry : record.at("top")) probabilities[entry["index"]] = entry["probability"];
    return probabilities;
  };
  const std::vector<std::string> args{"run", "--model", artifact, "--json", "--topk", "10", here.picture()};
  const Outcome narrow = here.run(args, {.environment = {{"VITQ_ISA", "sse4"}}});
  CHECK(narrow.exit_code == 0);
  CHECK(narrow.err == "vitq: warning: this CPU has no VNNI: weights, k and v run at seven bits\n");
  const auto expected = top(here.accepts({"run", "--model", here.model(), "--json", "--topk", "10", here.picture()}));
  const auto found = top(narrow.out);
  for (int i = 0; i < 10; ++i) CHECK(std::abs(found[i] - expected[i]) < 0.05);
  const std::string info = here.accepts({"info"}, {.environment = {{"VITQ_ISA", "sse4"}}});
  CHECK(info.find("int8            neither AMX nor VNNI: weights, k and v run at seven bits") != std::string::npos);
  if (cpu_isa() < Isa::kAvx2) return;
  const Setting avx2{.environment = {{"VITQ_ISA", "avx2"}}};
  const Outcome exact = here.run(args, avx2);
  CHECK(exact.exit_code == 0);
  CHECK(exact.err.empty());
  // With VNNI or AMX too: the same bits.
  if (!int8_saturates()) CHECK(top(exact.out) == top(here.accepts(args)));
  CHECK(here.accepts({"info"}, avx2).find("int8            AVX2: exact") != std::string::npos);
}

TEST_CASE("an artifact with a strange report is told and not believed") {
  const Workplace here;
  std::string bytes = bytes_of(here.quantized("a.safetensors"));
  const std::string field = "scale_spread";
  bytes.replace(bytes.find(field), field.size(), "scale_spraed");
  const std::string info = here.accepts({"info", here.write("b.safetensors", bytes)});
  CHECK(info.find("report          cannot be read: a site has no scale_spread") != std::string::npos);
  here.accepts({"run", "--model", here("b.safetensors"), here.picture()});
}

TEST_CASE("one flipped bit of an artifact never crashes the program") {
  const Workplace here;
  const std::string good = bytes_of(here.quantized("a.safetensors", {"--preset", "w4a4"}));
  std::uint64_t header_size = 0;
  std::memcpy(&header_size, good.data(), sizeof(header_size));
  constexpr int kTries = 60;
  int refused = 0;
  for (int i = 0; i < kTries; ++i) {
    const std::size_t range = i % 2 == 0 ? static_cast<std::size_t>(header_size) + 8 : good.size();
    const std::size_t bit = static_cast<std::size_t>(i) * 7919 * 31 % (range * 8);
    std::string bytes = good;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    const std::string file = here.write("flipped.safetensors", bytes);
    for (const std::vector<std::string>& args :
         {std::vector<std::string>{"run", "--model", file, "--threads", "1", here.picture()}, {"info", file}}) {
      const Outcome outcome = here.run(args, {});
      CAPTURE(bit);
      CAPTURE(outcome.err);
      CHECK_FALSE(outcome.timed_out);
      CHECK(outcome.signal == 0);
      CHECK((outcome.exit_code == 0 || outcome.exit_code == 1));
      refused += outcome.exit_code;
    }
  }
  CHECK(refused > kTries / 6);
}

}  // namespace
}  // namespace vitq::test
