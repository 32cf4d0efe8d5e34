// `vitq bench`. Times are read, never judged: a test that fails on a busy machine tells nothing.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <thread>

#include "cli/load.h"
#include "cli/peak.h"
#include "tests/cli/fixture.h"

namespace vitq::test {
namespace {

using nlohmann::json;

std::vector<json> records(const std::string& text) {
  std::vector<json> all;
  for (const std::string& line : lines_of(text)) all.push_back(json::parse(line));
  return all;
}

Outcome bench(const Workplace& here, const std::vector<std::string>& more) {
  std::vector<std::string> args{"bench", "--model", here.model(), "--warmup", "1", "--iters", "5"};
  args.insert(args.end(), more.begin(), more.end());
  return here.run(args);
}

TEST_CASE("bench times each precision for every number of threads and batch, and tells the system") {
  const Workplace here;
  const Outcome outcome = bench(here, {"--threads", "1,2", "--batch", "1,3", "--format", "json"});
  REQUIRE(outcome.exit_code == 0);
  CHECK(outcome.err.find("no artifact here: int8 is w8a8, calibrated on the seeded input") != std::string::npos);
  const auto all = records(outcome.out);
  REQUIRE(all.size() == 2 * 2 * 2 + 1);
  for (std::size_t i = 0; i + 1 < all.size(); ++i) {
    const json& record = all[i];
    CAPTURE(record.dump());
    CHECK(record["precision"] == (i % 2 == 0 ? "fp32" : "w8a8"));
    CHECK(record["threads"] == (i < 4 ? 1 : 2));
    CHECK(record["batch"] == (i / 2 % 2 == 0 ? 1 : 3));
    CHECK(record["n"] == 5);
    double before = 0;
    for (const char* key : {"min_ms", "median_ms", "p90_ms", "p95_ms", "p99_ms"}) {
      CAPTURE(key);
      CHECK(record[key].get<double>() > 0);
      CHECK(record[key].get<double>() >= before);
      before = record[key].get<double>();
    }
    for (const char* key : {"mean_ms", "stddev_ms", "images_per_s", "peak_share", "peak_rss_mb"}) {
      CAPTURE(key);
      CHECK(record[key].get<double>() >= 0);
    }
    CHECK(record["ratio_to_fp32"].get<double>() > 0);
    if (i % 2 == 0) CHECK(record["ratio_to_fp32"] == 1);
    CHECK(record.contains("others_cpus"));
    CHECK(record["sha256"].get<std::string>().size() == (i % 2 == 0 ? 64 : 0));
    CHECK_FALSE(record.contains("steps"));
  }
  for (const char* key : {"version", "onednn", "isa", "cpu", "available_threads", "warmup"}) {
    CHECK(all.back()["system"].contains(key));
  }
}

TEST_CASE("bench --profile adds up to the pass, and products have a share of the peak") {
  const Workplace here;
  const auto all = records(bench(here, {"--threads", "1", "--profile", "--format", "json"}).out);
  REQUIRE(all.size() == 3);
  for (std::size_t i = 0; i < 2; ++i) {
    double total = 0;
    std::vector<std::string> names;
    for (const json& step : all[i]["steps"]) {
      total += step["ms"].get<double>();
      names.push_back(step["step"]);
      if (step["step"] == "qkv") CHECK(step["peak_share"].get<double>() > 0);
      if (step["step"] == "softmax") CHECK(step["peak_share"].is_null());
    }
    CHECK(total > 0);
    for (const char* name : {"patch", "LN", "qkv", "QK^T", "softmax", "AV", "proj", "fc1", "GELU", "fc2", "head"}) {
      CAPTURE(name);
      CHECK(std::ranges::find(names, name) != names.end());
    }
  }
}

TEST_CASE("each table of bench has a rule and cells for every column") {
  const Workplace here;
  const auto lines = lines_of(bench(here, {"--threads", "1", "--profile"}).out);
  std::size_t tables = 0;
  std::ptrdiff_t columns = 0;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (!lines[i].starts_with('|')) continue;
    CAPTURE(lines[i]);
    const std::ptrdiff_t bars = std::ranges::count(lines[i], '|');
    if (!lines[i - 1].starts_with('|')) {
      columns = bars;
      ++tables;
      CHECK(lines.at(i + 1).starts_with("|---|"));
    }
    CHECK(bars == columns);
  }
  CHECK(tables == 3);  // times, and the steps of two precisions
}

TEST_CASE("bench --streams counts the pictures of all sessions") {
  const Workplace here;
  const auto all = records(
      bench(here, {"--threads", "3", "--streams", "2", "--batch", "2", "--precision", "fp32", "--format", "json"}).out);
  REQUIRE(all.size() == 2);
  CHECK(all[1]["system"]["streams"] == 2);
  const double pictures = all[0]["images_per_s"].get<double>() * all[0]["median_ms"].get<double>() / 1000;
  CHECK(pictures == doctest::Approx(4).epsilon(0.01));
  CHECK(all[0]["peak_share"].get<double>() > 0);
}

TEST_CASE("bench in other formats, with an artifact, one precision, and the built-in model") {
  const Workplace here;
  const auto csv = lines_of(bench(here, {"--threads", "1", "--precision", "int8", "--format", "csv"}).out);
  REQUIRE(csv.size() == 2);
  CHECK(csv[0].starts_with("model,precision,threads,batch,n,min_ms,"));
  CHECK(csv[0].find(",isa,") != std::string::npos);
  CHECK(csv[1].find(",w8a8,1,1,5,") != std::string::npos);
  CHECK(csv[1].find(",null,") != std::string::npos);  // no ratio without fp32

  const std::string artifact = here.quantized("small.w4a4.safetensors", {"--preset", "w4a4"});
  const Outcome table = bench(here, {"--model", artifact, "--threads", "1"});
  CHECK(table.exit_code == 0);
  CHECK(table.err.find("seeded") == std::string::npos);  // both are at hand
  CHECK(table.out.find("| fp32 | 1 | 1 |") != std::string::npos);
  CHECK(table.out.find("| w4a4 | 1 | 1 |") != std::string::npos);
  CHECK(table.out.find("\nisa: ") != std::string::npos);

  const Outcome own = here.run({"bench", "--iters", "2", "--warmup", "0", "--threads", "1"});
  CHECK(own.exit_code == 0);
  CHECK(own.out.find("| w8a8 |") != std::string::npos);
}

TEST_CASE("bench refuses what makes no sense") {
  const Workplace here;
  here.refuses({"bench", "--model", here.model(), "--threads", "1,2", "--streams", "2"}, 2,
               {"--streams 2", "--threads, 1"});
  here.refuses({"bench", "--model", here.model(), "--threads", "2", "--streams", "2", "--profile"}, 2,
               {"--profile", "--streams 1, found 2"});
  const auto refuses = [&](const std::vector<std::string>& args, int code, const std::vector<std::string>& words) {
    std::vector<std::string> all{"bench", "--model", here.model()};
    all.insert(all.end(), args.begin(), args.end());
    here.refuses(all, code, words);
  };
  refuses({"--threads", "1,0"}, 2, {"--threads", "1,0", "from 1"});
  refuses({"--threads", ","}, 2, {"--threads"});
  refuses({"--batch", "one"}, 2, {"--batch", "one"});
  refuses({"--iters", "0"}, 2, {"--iters", "0"});
  refuses({"--precision", "fp32,fp16"}, 2, {"--precision", "fp16", "fp32, bf16, int8"});
  refuses({"--precision", "int8,int8"}, 2, {"--precision"});
  refuses({"--format", "xml"}, 2, {"--format", "xml"});
  refuses({"--rounds", "3"}, 2, {"--rounds"});
  refuses({"--model", here("missing.safetensors")}, 1, {"missing.safetensors"});
  refuses({"--model", "deit_x"}, 2, {"deit_x", "deit_"});
}

TEST_CASE("the load of others is a number of CPUs, and the peak is more than nothing") {
  const LoadWatch watch;
  CHECK_FALSE(watch.others().has_value());  // too early
  for (const DType operands : {DType::kF32, DType::kU8}) {
    const double peak = PeakProbe(operands, 1).measure();
    CHECK(std::isfinite(peak));
    CHECK(peak > 1e6);
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  REQUIRE(watch.others().has_value());
  CHECK(*watch.others() >= 0);
}

TEST_CASE("the program chooses how its threads wait, unless the user has") {
  const Workplace here;
  const auto waiting = [&](const std::vector<std::string>& settings) {
    std::vector<std::string> args{"-u", "OMP_WAIT_POLICY", "-u", "GOMP_SPINCOUNT"};
    args.insert(args.end(), settings.begin(), settings.end());
    args.insert(args.end(), {program(), "info"});
    Setting setting;
    setting.program = "/usr/bin/env";
    const std::string text = here.accepts(args, setting);
    const std::size_t line = text.find("waiting");
    return text.substr(line, text.find('\n', line) - line);
  };
  CHECK(waiting({}).ends_with(" GOMP_SPINCOUNT=1000"));
  CHECK(waiting({"OMP_WAIT_POLICY=passive"}).ends_with(" OMP_WAIT_POLICY=passive"));
  CHECK(waiting({"GOMP_SPINCOUNT=7"}).ends_with(" GOMP_SPINCOUNT=7"));
}

}  // namespace
}  // namespace vitq::test
