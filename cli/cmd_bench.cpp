#include <algorithm>
#include <iomanip>
#include <sstream>

#include "cli/args.h"
#include "cli/benchmark.h"
#include "cli/commands.h"
#include "cli/model_files.h"
#include "cli/notices.h"
#include "cli/output.h"
#include "cli/peak.h"
#include "cli/progress.h"
#include "cli/record.h"
#include "cli/statement_options.h"
#include "cli/statistics.h"
#include "engine/error.h"
#include "engine/threads.h"

namespace vitq {
namespace {

constexpr int kMostThreads = 1024;
constexpr int kMostBatch = 4096;
constexpr int kMostRounds = 1000000;
constexpr int kDigits = 4;

struct BenchOptions {
  std::string model;
  std::vector<std::string> precisions = {kFloatPrecision, "int8"};
  std::vector<int> threads;
  std::vector<int> batches = {1};
  int warmup = 10;
  int iters = 50;
  int streams = 1;
  bool profile = false;
  Stated stated;
  std::string format = "md";
};

/// Reads whole numbers with commas between.
Reader numbers(std::vector<int>& target, int most) {
  return [&target, most](const std::string& text) -> std::string {
    target.clear();
    for (const std::string& word : comma_separated(text)) {
      int value = 0;
      if (const std::string expected = whole_number(value, 1, most)(word); !expected.empty()) {
        return "numbers with commas between, each " + expected;
      }
      target.push_back(value);
    }
    return target.empty() ? "numbers with commas between" : "";
  };
}

/// Reads some of `choices`, each at most once, with commas between.
Reader choices(std::vector<std::string>& target, std::vector<std::string> known) {
  return [&target, known = std::move(known)](const std::string& text) -> std::string {
    target = comma_separated(text);
    std::string expected = "some of ";
    for (const std::string& word : known) expected += (word == known.front() ? "" : ", ") + word;
    for (const std::string& word : target) {
      if (std::ranges::find(known, word) == known.end() || std::ranges::count(target, word) != 1) return expected;
    }
    return target.empty() ? expected : "";
  };
}

bool parse(const Arguments& args, BenchOptions& options) {
  ArgumentParser parser("bench", "[--model FILE|DIR|NAME] [--precision fp32,int8] [--threads 1,2] [OPTIONS]",
                        "Times a model's precisions against each other, interleaved round by round, with the ratio of\n"
                        "each round. Needs no weights: a zoo model without any is timed with seeded ones.");
  parser.option("--model", "FILE|DIR|NAME", "as in `vitq run`, but nothing is downloaded; default: the built-in model",
                text(options.model));
  parser.option("--precision", "LIST", "of fp32, bf16, int8; default fp32,int8",
                choices(options.precisions, {kFloatPrecision, kBf16Precision, "int8"}));
  parser.option("--threads", "LIST", "thread counts, e.g. 1,2; default: all", numbers(options.threads, kMostThreads));
  parser.option("--batch", "LIST", "pictures at a time, e.g. 1,8; default 1", numbers(options.batches, kMostBatch));
  parser.option("--streams", "N",
                "sessions of one model side by side, each with its share of the threads and a batch of its own: a\n"
                "round is a pass of each, images_per_s counts all; default 1",
                whole_number(options.streams, 1, kMostThreads));
  parser.option("--warmup", "N", "rounds that do not count; default 10", whole_number(options.warmup, 0, kMostRounds));
  parser.option("--iters", "N", "rounds that do; default 50", whole_number(options.iters, 1, kMostRounds));
  parser.flag("--profile", options.profile, "also the time of each step, and its share of the CPU's measured peak");
  declare(parser, options.stated);
  parser.option("--format", "md|csv|json",
                "json: one object a line: {model, precision, threads, batch, n, min_ms, median_ms, mean_ms,\n"
                "stddev_ms, p90_ms, p95_ms, p99_ms, images_per_s, ratio_to_fp32, peak_share, peak_rss_mb,\n"
                "others_cpus, weights, sha256, steps}, last {system}",
                choice(options.format, {"md", "csv", "json"}));
  if (!parser.parse(args)) return false;
  const int asked = options.threads.empty() ? 0 : std::ranges::max(options.threads);
  if (options.threads.empty()) options.threads = {available_threads()};
  if (options.streams > std::ranges::min(options.threads)) {
    parser.fail("--streams " + std::to_string(options.streams) + ": expected at most as many as --threads, " +
                std::to_string(std::ranges::min(options.threads)));
  }
  if (options.streams > 1 && options.profile) {
    parser.fail("--profile is of one session; expected --streams 1, found " + std::to_string(options.streams));
  }
  say_shared_cores({}, asked);
  return true;
}

/// Median over the rounds of other[i] / own[i].
double median_ratio(const std::vector<double>& other, const std::vector<double>& own) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < own.size(); ++i) ratios.push_back(other[i] / own[i]);
  return summarize(std::move(ratios)).median;
}

Record steps_of(const Timing& timing, double peak) {
  constexpr double kMilliseconds = 1e3;
  Record steps = Record::array();
  for (std::size_t i = 0; i < kStepCount; ++i) {
    const StepClock::Total& total = timing.steps[i];
    if (total.seconds == 0) continue;
    Record step{{"step", name_of(static_cast<Step>(i))}, {"ms", rounded(total.seconds * kMilliseconds, kDigits)}};
    step["peak_share"] = total.macs > 0 ? Record(rounded(total.macs / total.seconds / peak, kDigits)) : Record();
    steps.push_back(std::move(step));
  }
  return steps;
}

Record make_record(const Contender& contender, const Timing& timing, const BenchSettings& settings,
                   const std::vector<double>* fp32_ms, std::optional<double> others) {
  constexpr double kMebibyte = 1 << 20;
  constexpr double kMilliseconds = 1e3;
  const Summary ms = summarize(timing.ms);
  Record record{{"model", contender.description.name},
                {"precision", contender.precision},
                {"threads", settings.threads},
                {"batch", settings.batch},
                {"n", timing.ms.size()}};
  const std::pair<const char*, double> times[] = {
      {"min_ms", ms.min}, {"median_ms", ms.median}, {"mean_ms", ms.mean}, {"stddev_ms", ms.stddev},
      {"p90_ms", ms.p90}, {"p95_ms", ms.p95},       {"p99_ms", ms.p99}};
  for (const auto& [name, value] : times) record[name] = rounded(value, kDigits);
  record["images_per_s"] = rounded(settings.streams * settings.batch * kMilliseconds / ms.median, 2);
  record["ratio_to_fp32"] = fp32_ms != nullptr ? Record(rounded(median_ratio(*fp32_ms, timing.ms), kDigits)) : Record();
  record["peak_share"] = rounded(timing.peak_share, kDigits);
  record["peak_rss_mb"] = rounded(timing.peak_rss_bytes / kMebibyte, 1);
  record["others_cpus"] = others ? Record(rounded(*others, 2)) : Record();
  record["weights"] = contender.weights;
  record["sha256"] = contender.sha256;
  return record;
}

std::vector<Record> measure(const std::vector<Contender>& all, const BenchSettings& settings, Progress& progress) {
  constexpr double kMuch = 0.15;
  const Timings timings = time_rounds(all, settings, [&] { progress.advance(); });
  if (timings.others.value_or(0) > kMuch) {
    std::ostringstream text;
    text << std::fixed << std::setprecision(1) << "vitq: warning: other processes used " << *timings.others
         << " CPUs meanwhile (" << settings.threads << " threads, batch " << settings.batch
         << "): the times are too long; the ratios are better, but not good";
    progress.clear();
    log(text.str());
  }
  const auto fp32 = std::ranges::find(all, std::string(kFloatPrecision), &Contender::precision);
  const std::vector<double>* fp32_ms = fp32 == all.end() ? nullptr : &timings.timings[fp32 - all.begin()].ms;
  std::vector<Record> records;
  for (std::size_t i = 0; i < all.size(); ++i) {
    records.push_back(make_record(all[i], timings.timings[i], settings, fp32_ms, timings.others));
    if (settings.profile) records.back()["steps"] = steps_of(timings.timings[i], timings.timings[i].peak);
  }
  return records;
}

std::string cell(const Record& value, int digits) {
  if (value.is_null()) return "-";
  if (value.is_string()) return value.get<std::string>();
  std::ostringstream text;
  text << std::fixed << std::setprecision(value.is_number_integer() ? 0 : digits) << value.get<double>();
  return text.str();
}

std::string times_table(const std::vector<Record>& records) {
  std::string text =
      "| precision | threads | batch | min ms | median | mean | stddev | p90 | p95 | p99 | images/s | fp32 : this | of "
      "peak |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|\n";
  for (const Record& record : records) {
    text += "|";
    for (const char* key : {"precision", "threads", "batch", "min_ms", "median_ms", "mean_ms", "stddev_ms", "p90_ms",
                            "p95_ms", "p99_ms", "images_per_s", "ratio_to_fp32", "peak_share"}) {
      text += ' ' + cell(record.at(key), 2) + " |";
    }
    text += '\n';
  }
  return text;
}

std::string steps_table(const Record& record) {
  double total = 0;
  for (const Record& step : record.at("steps")) total += step.at("ms").get<double>();
  std::ostringstream text;
  text << '\n'
       << record.at("precision").get<std::string>() << ", " << record.at("threads") << " threads, batch "
       << record.at("batch") << "\n\n| step | ms | of all | of peak |\n|---|---|---|---|\n";
  for (const Record& step : record.at("steps")) {
    text << "| " << step.at("step").get<std::string>() << " | " << cell(step.at("ms"), 3) << " | "
         << cell(Record(step.at("ms").get<double>() / total), 3) << " | " << cell(step.at("peak_share"), 2) << " |\n";
  }
  return text.str();
}

Record system_record(const BenchOptions& options) {
  Record system;
  add_system(system);
  system["available_threads"] = available_threads();
  system["warmup"] = options.warmup;
  system["streams"] = options.streams;
  return system;
}

void print_table(const BenchOptions& options, const std::vector<Record>& records) {
  std::string text = records.front().at("model").get<std::string>() + "\n\n" + times_table(records) + '\n';
  for (const Record& record : records) {
    if (record.contains("steps")) text += steps_table(record);
  }
  const Record system = system_record(options);
  for (const auto& [key, value] : system.items()) text += key + ": " + one_line(cell(value, 2)) + '\n';
  print(text);
}

}  // namespace

int bench_command(const Arguments& args) {
  BenchOptions options;
  if (!parse(args, options)) return 0;
  const std::vector<Contender> all = contenders(options.model, options.precisions, options.stated);
  BenchSettings settings{
      .warmup = options.warmup, .iters = options.iters, .profile = options.profile, .streams = options.streams};
  const std::size_t runs = options.threads.size() * options.batches.size();
  std::vector<Record> records;
  {
    Progress progress("bench", runs * (settings.warmup + settings.iters + profile_rounds(settings)));
    for (const int threads : options.threads) {
      for (const int batch : options.batches) {
        settings.threads = threads;
        settings.batch = batch;
        std::ranges::move(measure(all, settings, progress), std::back_inserter(records));
      }
    }
  }
  if (options.format == "md") {
    print_table(options, records);
  } else if (options.format == "json") {
    for (const Record& record : records) print(to_json(record));
    print(to_json(Record{{"system", system_record(options)}}));
  } else {
    const Record system = system_record(options);
    for (Record& record : records) record.update(system);
    print(to_csv(records));
  }
  return 0;
}

}  // namespace vitq
