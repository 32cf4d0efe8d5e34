#include <chrono>
#include <cmath>
#include <optional>
#include <set>

#include "cli/args.h"
#include "cli/commands.h"
#include "cli/inference.h"
#include "cli/labels.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "cli/output_file.h"
#include "cli/picture_options.h"
#include "cli/progress.h"
#include "cli/record.h"
#include "cli/scores.h"
#include "cli/sha256.h"
#include "cli/statistics.h"
#include "engine/cpu.h"
#include "engine/error.h"

namespace vitq {
namespace {

constexpr int kMostBatch = 4096;
constexpr int kDefaultBatch = 8;
constexpr int kDigits = 4;

struct EvalOptions {
  ModelArguments model;
  PictureArguments picture;
  std::string images;
  std::string labels;
  std::string logits;
  std::string reference;
  std::string against;
  std::string format = "md";
  std::size_t limit = 0;  ///< 0: all
  int batch = kDefaultBatch;
  bool force = false;
};

bool parse(const Arguments& args, EvalOptions& options) {
  ArgumentParser parser(
      "eval", "--model NAME|FILE --images DIR [--labels CSV] [--format md|csv|json] [OPTIONS]",
      "Measures accuracy on labelled pictures: a directory and a list of labels, or a directory with one\n"
      "directory per class (and more in it), called as the class is, by ImageNet wnid, or by the number of\n"
      "the class. Only where none is, and there are as many as classes, they are taken in order.");
  parser.option("--images", "DIR", "where the pictures are", text(options.images));
  parser.option("--labels", "CSV", "header file,label, then NAME,CLASS-INDEX per line, without quotes",
                text(options.labels));
  declare(parser, options.model);
  declare_precision(parser, options.model);
  declare(parser, options.picture);
  parser.option("--limit", "N", "only the first N pictures (of directories: taken from all classes in turn)",
                whole_number<std::size_t>(options.limit, 1));
  parser.option("--batch", "N", "pictures to compute at once; default 8", whole_number(options.batch, 1, kMostBatch));
  parser.option("--format", "md|csv|json",
                "of the result; default md. The last keys say what was counted: pictures (listed), unreadable,\n"
                "repeated (the same file as an earlier one), classes (that have pictures), matched (by name, wnid,\n"
                "number, order or labels file), left_out",
                choice(options.format, {"md", "csv", "json"}));
  parser.option(
      "--against", "fp32|FILE",
      "run the same pictures through this model too and compare; fp32: the model that an\n"
      "artifact was made from, or that runs in bf16. Adds agreement, sqnr_db (of the logits; null: no difference),\n"
      "kl (mean, in nats), max_difference, top1_reference; only_reference and only_this (pictures\n"
      "that one of the two alone gets right), mcnemar_p (exact, two-sided, of those counts)",
      text(options.against));
  parser.option("--reference", "FILE", "compare with these logits, safetensors `logits` F32 [pictures, classes]",
                text(options.reference));
  parser.option("--logits", "FILE", "write the logits as such a file", text(options.logits));
  parser.flag("--force", options.force, "let --logits replace a file");
  if (!parser.parse(args)) return false;
  if (options.images.empty()) parser.fail("--images is missing, expected a directory");
  if (!options.against.empty() && !options.reference.empty()) {
    parser.fail("--against and --reference exclude each other; give one");
  }
  return true;
}

LabelledPictures labelled_pictures(const EvalOptions& options, const ModelDescription& model) {
  check(std::filesystem::is_directory(options.images), ErrorCode::kFile, options.images,
        ": is no directory; expected the pictures (--images)");
  if (options.labels.empty()) return read_class_folders(options.images, model.class_names, options.model.notices);
  LabelledPictures listed = read_labels(options.labels, options.images, model.config.classes, options.model.notices);
  listed.left_out.add("picture", "not listed", count_unlisted(listed.pictures));
  return listed;
}

/// The second model of --against.
OpenModel open_reference(const EvalOptions& options, const OpenModel& model) {
  const ModelConfig& config = model.description().config;
  const bool wants_float = options.against == kFloatPrecision;
  ModelArguments how = options.model;
  how.model = options.against;
  how.precision = wants_float ? kFloatPrecision : "";
  if (wants_float && model.precision() == kBf16Precision) {
    how.model = model.file.string();
  } else if (wants_float) {
    check(model.precision() != kFloatPrecision, model.file.string(),
          ": is the float32 model itself, expected an artifact or --precision bf16 (--against fp32); name another "
          "model: --against FILE");
    const auto source = model.metadata().find("source");
    how.model =
        find_float_model(model.file, source != model.metadata().end() ? source->second : "", model.description().name)
            .string();
  }
  OpenModel reference = open_model(how);
  check_has_classes(reference);
  const ModelConfig& other = reference.description().config;
  check(other.classes == config.classes, reference.file.string(), ": has ", other.classes, " classes, ",
        model.file.string(), " has ", config.classes, "; they cannot be compared");
  check(!wants_float ||
            (other.body == config.body && other.image_size == config.image_size && other.patch == config.patch),
        reference.file.string(), ": is not the model that ", model.file.string(),
        " was made from, its shapes differ; name that: --against FILE");
  const auto made_from = model.metadata().find("source_sha256");
  if (made_from != model.metadata().end() && reference.precision() == kFloatPrecision &&
      made_from->second != sha256_of_file(reference.file)) {
    options.model.notices.say(reference.file.string() + ": is not the file that " + model.file.string() +
                              " was made from, its contents differ");
  }
  return reference;
}

/// All that one evaluation adds up.
struct Evaluation {
  Accuracy accuracy;
  Comparison comparison;
  std::optional<Reference> reference;
  std::optional<LogitsWriter> logits;
  std::vector<double> model_ms;  ///< of each picture
  double seconds = 0;            ///< all of it but the reference's share
  std::size_t failures = 0;
};

/// Before anything is computed: whether the logits can go where they shall. `against` may be null.
void check_logits_file(const EvalOptions& options, const OpenModel& model, const OpenModel* against) {
  if (options.logits.empty()) return;
  check_not_input(options.logits, model.file, "--model");
  if (against != nullptr) check_not_input(options.logits, against->file, "--against");
  check_not_input(options.logits, options.reference, "--reference");
  check_not_input(options.logits, options.labels, "--labels");
  check_output_file(options.logits, options.force);
}

Evaluation prepare(const EvalOptions& options, const ModelConfig& config, std::size_t listed, std::size_t count) {
  Evaluation evaluation;
  if (!options.logits.empty()) evaluation.logits.emplace(count, config.classes);
  if (!options.reference.empty()) {
    const std::int64_t rows = evaluation.reference.emplace(options.reference, config.classes).rows();
    check(rows == static_cast<std::int64_t>(listed) || rows == static_cast<std::int64_t>(count), ErrorCode::kFormat,
          options.reference, ": has logits of ", rows, " pictures, expected ", listed);
  }
  return evaluation;
}

/// `against` may be null.
void evaluate(Contestant& contestant, Contestant* against, std::span<const LabelledPicture> pictures,
              const EvalOptions& options, Evaluation& evaluation) {
  std::vector<std::filesystem::path> paths;
  paths.reserve(pictures.size());
  for (const LabelledPicture& picture : pictures) paths.push_back(picture.path);
  Progress progress("eval", pictures.size());
  const auto start = std::chrono::steady_clock::now();
  double reference_ms = 0;
  ReductionNotice reduction(options.model.notices);
  const DecodeOptions decoding = decode_options(
      options.picture, {&contestant.preprocessing, against != nullptr ? &against->preprocessing : nullptr});
  infer(contestant, against, paths, {.decoding = decoding, .batch = options.batch},
        {.on_result =
             [&](std::size_t index, const PictureTimes& times, std::span<const float> logits,
                 std::span<const float> other) {
               const int label = pictures[index].label;
               evaluation.accuracy.add(label, logits);
               if (evaluation.reference) other = evaluation.reference->row(index);
               if (!other.empty()) evaluation.comparison.add(label, logits, other);
               reference_ms += times.reference_ms;
               if (evaluation.logits) evaluation.logits->add(index, logits);
               evaluation.model_ms.push_back(times.model_ms);
               progress.advance();
             },
         .on_failure =
             [&](std::size_t, const std::string& message) {
               progress.clear();
               log_error(message);
               progress.advance();
               ++evaluation.failures;
             },
         .on_reduced =
             [&](std::size_t index, int sides) {
               progress.clear();
               reduction.say(paths[index], sides);
             }});
  constexpr double kMilliseconds = 1000;
  evaluation.seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() - reference_ms / kMilliseconds;
}

/// `against` may be null.
void add_comparison(Record& record, const EvalOptions& options, const OpenModel* against,
                    const Comparison& comparison) {
  record["agreement"] = rounded(comparison.agreement(), kDigits);
  const double sqnr_db = comparison.sqnr_db();
  record["sqnr_db"] = std::isfinite(sqnr_db) ? Record(rounded(sqnr_db, 2)) : Record();
  record["kl"] = rounded(comparison.kl(), 2 * kDigits);
  record["max_difference"] = rounded(comparison.max_difference(), 2 * kDigits);
  record["top1_reference"] = rounded(comparison.accuracy().top1(), kDigits);
  record["only_reference"] = comparison.only_reference();
  record["only_this"] = comparison.only_this();
  record["mcnemar_p"] = rounded(mcnemar_p(comparison.only_reference(), comparison.only_this()), 2 * kDigits);
  record["precision_reference"] = against != nullptr ? Record(against->precision()) : Record();
  record["reference"] = against != nullptr ? against->file.string() : options.reference;
}

/// What was counted and how its classes are known.
void add_pictures(Record& record, const LabelledPictures& listed, const Evaluation& evaluation) {
  std::set<int> classes;
  for (const LabelledPicture& picture : listed.pictures) classes.insert(picture.label);
  record["pictures"] = listed.pictures.size();
  record["unreadable"] = evaluation.failures;
  record["repeated"] = listed.repeated;
  record["classes"] = classes.size();
  record["matched"] = listed.matched;
  record["left_out"] = listed.left_out.empty() ? "nothing" : listed.left_out.text();
}

Record make_record(const EvalOptions& options, const OpenModel& model, const OpenModel* against,
                   const LabelledPictures& listed, const Evaluation& evaluation) {
  constexpr double kMebibyte = 1 << 20;
  const auto n = static_cast<double>(evaluation.accuracy.count());
  const Summary ms = summarize(evaluation.model_ms);
  Record record{{"model", model.description().name},
                {"precision", model.precision()},
                {"n", evaluation.accuracy.count()},
                {"top1", rounded(evaluation.accuracy.top1(), kDigits)},
                {"top5", rounded(evaluation.accuracy.top5(), kDigits)},
                {"images_per_s", rounded(n / evaluation.seconds, 2)}};
  if (against != nullptr || evaluation.reference) add_comparison(record, options, against, evaluation.comparison);
  const std::pair<const char*, double> times[] = {
      {"min_ms", ms.min}, {"median_ms", ms.median}, {"mean_ms", ms.mean}, {"stddev_ms", ms.stddev},
      {"p90_ms", ms.p90}, {"p95_ms", ms.p95},       {"p99_ms", ms.p99}};
  for (const auto& [name, value] : times) record[name] = rounded(value, kDigits);
  record["threads"] = model.contestant.session.threads();
  record["batch"] = options.batch;
  add_system(record);
  record["file"] = model.file.string();
  record["sha256"] = model.file.empty() ? "" : sha256_of_file(model.file);
  record["preprocessing"] = model.preprocessing + exif_text(options.picture);
  record["peak_rss_mb"] = rounded(static_cast<double>(peak_rss_bytes()) / kMebibyte, 1);
  add_pictures(record, listed, evaluation);
  return record;
}

}  // namespace

int eval_command(const Arguments& args) {
  EvalOptions options;
  if (!parse(args, options)) return 0;
  OpenModel model = open_model(options.model);
  check_has_classes(model);
  std::optional<OpenModel> reference;
  if (!options.against.empty()) reference.emplace(open_reference(options, model));
  OpenModel* against = reference ? &*reference : nullptr;
  check_logits_file(options, model, against);
  const ModelDescription& description = model.description();
  const LabelledPictures listed = labelled_pictures(options, description);
  const std::size_t count =
      options.limit > 0 ? std::min(options.limit, listed.pictures.size()) : listed.pictures.size();
  const std::span<const LabelledPicture> pictures = std::span(listed.pictures).first(count);
  options.batch = static_cast<int>(std::min<std::size_t>(options.batch, pictures.size()));

  Evaluation evaluation = prepare(options, description.config, listed.pictures.size(), count);
  evaluate(model.contestant, against != nullptr ? &against->contestant : nullptr, pictures, options, evaluation);
  check(evaluation.failures < pictures.size(), ErrorCode::kFormat, "none of the ", pictures.size(),
        " pictures could be read");
  print(to_format(make_record(options, model, against, listed, evaluation), options.format));
  if (evaluation.logits) {
    check(evaluation.failures == 0, ErrorCode::kFormat, options.logits, ": not written, because ", evaluation.failures,
          " pictures could not be read");
    evaluation.logits->write(options.logits, {{"model", description.name}, {"precision", model.precision()}});
  }
  return evaluation.failures == 0 ? 0 : 1;
}

}  // namespace vitq
