#include <unistd.h>

#include <iomanip>
#include <sstream>

#include "cli/args.h"
#include "cli/classes.h"
#include "cli/commands.h"
#include "cli/conditions.h"
#include "cli/inference.h"
#include "cli/model_options.h"
#include "cli/notices.h"
#include "cli/output.h"
#include "cli/picture_options.h"
#include "cli/pictures.h"
#include "cli/progress.h"
#include "cli/record.h"
#include "engine/gemm/onednn.h"

namespace vitq {
namespace {

constexpr int kMostBatch = 4096;

struct RunOptions {
  ModelArguments model;
  PictureArguments picture;
  std::vector<std::string> images;
  std::string zero_shot;
  int topk = 5;
  int batch = 1;
  bool json = false;
};

bool parse(const Arguments& args, RunOptions& options) {
  std::vector<std::string> operands;
  ArgumentParser parser(
      "run", "--image FILE|DIR ... [--model NAME|FILE] [--topk 5] [--json] [OPTIONS]",
      "Classifies pictures: JPEG, PNG, BMP, PGM, PPM, or all of them in a directory and in those in it\n"
      "(not what begins with a dot). What is left out of a directory is said in one line.");
  parser.list("--image", "FILE|DIR ...", "the pictures; the word --image may be left out", options.images);
  declare(parser, options.model);
  declare_precision(parser, options.model);
  declare(parser, options.picture);
  declare_zero_shot(parser, options.zero_shot);
  parser.option("--topk", "K", "classes to print, best first; default 5", whole_number(options.topk, 1, 1000000));
  parser.option("--batch", "N", "pictures to compute at once; default 1", whole_number(options.batch, 1, kMostBatch));
  parser.flag("--json", options.json,
              "one object per line: image, model, precision, threads, isa, decode_ms,\n"
              "preprocess_ms, model_ms, top: [{rank, index, name, probability}]; with --zero-shot also\n"
              "zero_shot, the file");
  parser.operands(operands, operands.max_size());
  if (!parser.parse(args)) return false;
  options.images.insert(options.images.end(), operands.begin(), operands.end());
  if (options.images.empty()) parser.fail("--image is missing, expected pictures or directories of pictures");
  return true;
}

/// Writes one picture's answer, as text or as JSON.
class Printer {
 public:
  Printer(const RunOptions& options, const OpenModel& model) : options_(options), model_(model) {}

  void picture(const std::string& image, const PictureTimes& times, const std::vector<Prediction>& top) const {
    print(options_.json ? json(image, times, top) : text(image, times, top));
  }

  /// What the figures above hold for. JSON says it in each line.
  void summary() const {
    if (options_.json) return;
    print(conditions_of(model_) + (options_.zero_shot.empty() ? "" : ", classes of " + one_line(options_.zero_shot)) +
          '\n');
  }

 private:
  static std::string text(const std::string& image, const PictureTimes& times, const std::vector<Prediction>& top) {
    std::ostringstream out;
    out << one_line(image) << '\n' << std::fixed;
    for (std::size_t i = 0; i < top.size(); ++i) {
      out << std::setw(4) << i + 1 << "  " << std::setprecision(4) << top[i].probability << "  " << std::setw(5)
          << top[i].index << "  " << one_line(top[i].name) << '\n';
    }
    out << std::setprecision(1) << "      decode " << times.decode_ms << " ms, preprocess " << times.preprocess_ms
        << " ms, model " << times.model_ms << " ms\n";
    return out.str();
  }

  [[nodiscard]] std::string json(const std::string& image, const PictureTimes& times,
                                 const std::vector<Prediction>& top) const {
    constexpr int kDigits = 3;
    Record record{{"image", image},
                  {"model", model_.description().name},
                  {"precision", model_.precision()},
                  {"threads", model_.contestant.session.threads()},
                  {"isa", effective_isa()},
                  {"decode_ms", rounded(times.decode_ms, kDigits)},
                  {"preprocess_ms", rounded(times.preprocess_ms, kDigits)},
                  {"model_ms", rounded(times.model_ms, kDigits)},
                  {"top", Record::array()}};
    if (!options_.zero_shot.empty()) record["zero_shot"] = options_.zero_shot;
    for (std::size_t i = 0; i < top.size(); ++i) {
      record["top"].push_back({{"rank", i + 1},
                               {"index", top[i].index},
                               {"name", top[i].name},
                               {"probability", rounded(top[i].probability, 2 * kDigits)}});
    }
    return to_json(record);
  }

  const RunOptions& options_;
  const OpenModel& model_;
};

}  // namespace

int run_command(const Arguments& args) {
  RunOptions options;
  if (!parse(args, options)) return 0;
  const std::vector<std::filesystem::path> pictures = list_pictures(options.images, options.model.notices);
  say_shared_cores(options.model.notices, options.model.threads);
  OpenModel model = open_model(options.model);
  Classes classes(model, options.zero_shot, options.model.notices);
  const Printer printer(options, model);
  // On a terminal the results themselves show how far it is.
  Progress progress("run", pictures.size(), ::isatty(STDOUT_FILENO) == 0);
  ReductionNotice reduction(options.model.notices);
  std::size_t failures = 0;
  infer(model.contestant, nullptr, pictures,
        {.decoding = decode_options(options.picture, {&model.contestant.preprocessing}),
         .batch = options.batch,
         .answer = classes.answer()},
        {.on_result =
             [&](std::size_t index, const PictureTimes& times, std::span<const float> answer, std::span<const float>) {
               printer.picture(pictures[index].string(), times, classes.top(classes.logits(answer), options.topk));
               progress.advance();
             },
         .on_failure =
             [&](std::size_t, const std::string& message) {
               progress.clear();
               log_error(message);
               progress.advance();
               ++failures;
             },
         .on_reduced =
             [&](std::size_t index, int sides) {
               progress.clear();
               reduction.say(pictures[index], sides);
             }});
  if (failures < pictures.size()) printer.summary();
  return failures == 0 ? 0 : 1;
}

}  // namespace vitq
