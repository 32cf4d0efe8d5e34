#include "cli/eval_run.h"

#include <chrono>
#include <set>
#include <utility>

#include "cli/conditions.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/sha256.h"
#include "cli/statistics.h"
#include "engine/error.h"

namespace vitq {

EvalRun run_pictures(const EvalOptions& options, Contestant& contestant, Contestant* against,
                     std::span<const LabelledPicture> listed, Answer answer, const TakeAnswer& take) {
  std::vector<std::filesystem::path> pictures;
  pictures.reserve(listed.size());
  for (const LabelledPicture& picture : listed) pictures.push_back(picture.path);
  EvalRun run;
  Progress progress("eval", pictures.size());
  const auto start = std::chrono::steady_clock::now();
  double reference_ms = 0;
  ReductionNotice reduction(options.model.notices);
  const DecodeOptions decoding = decode_options(
      options.picture, {&contestant.preprocessing, against != nullptr ? &against->preprocessing : nullptr});
  run.streams = infer(contestant, against, pictures,
                      {.decoding = decoding, .batch = options.batch, .answer = answer, .streams = options.streams},
                      {.on_result =
                           [&](std::size_t index, const PictureTimes& times, std::span<const float> row,
                               std::span<const float> reference) {
                             take(index, row, reference);
                             reference_ms += times.reference_ms;
                             run.model_ms.push_back(times.model_ms);
                             progress.advance();
                           },
                       .on_failure =
                           [&](std::size_t, const std::string& message) {
                             progress.clear();
                             log_error(message);
                             progress.advance();
                             ++run.failures;
                           },
                       .on_reduced =
                           [&](std::size_t index, int sides) {
                             progress.clear();
                             reduction.say(pictures[index], sides);
                           }});
  constexpr double kMilliseconds = 1000;
  run.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() - reference_ms / kMilliseconds;
  check(run.failures < pictures.size(), ErrorCode::kFormat, "none of the ", pictures.size(), " pictures could be read");
  return run;
}

void add_run(Record& record, const EvalOptions& options, const OpenModel& model, const EvalRun& run) {
  constexpr int kDigits = 4;
  const Summary ms = summarize(run.model_ms);
  const std::pair<const char*, double> times[] = {
      {"min_ms", ms.min}, {"median_ms", ms.median}, {"mean_ms", ms.mean}, {"stddev_ms", ms.stddev},
      {"p90_ms", ms.p90}, {"p95_ms", ms.p95},       {"p99_ms", ms.p99}};
  for (const auto& [name, value] : times) record[name] = rounded(value, kDigits);
  record["streams"] = run.streams;
  add_conditions(record, model, options.batch, options.picture, model.file.empty() ? "" : sha256_of_file(model.file));
}

void add_pictures(Record& record, const LabelledPictures& listed, const EvalRun& run) {
  std::set<int> classes;
  for (const LabelledPicture& picture : listed.pictures) classes.insert(picture.label);
  record["pictures"] = listed.pictures.size();
  record["unreadable"] = run.failures;
  record["repeated"] = listed.repeated;
  record["classes"] = classes.size();
  record["matched"] = listed.matched;
  record["left_out"] = listed.left_out.empty() ? "nothing" : listed.left_out.text();
}

}  // namespace vitq
