#include <cmath>
#include <optional>
#include <utility>

#include "cli/classes.h"
#include "cli/commands.h"
#include "cli/eval_embeddings.h"
#include "cli/eval_options.h"
#include "cli/eval_run.h"
#include "cli/notices.h"
#include "cli/output.h"
#include "cli/output_file.h"
#include "cli/reference_model.h"
#include "cli/scores.h"
#include "cli/statistics.h"
#include "engine/error.h"

namespace vitq {
namespace {

constexpr int kDigits = 4;

LabelledPictures labelled_pictures(const EvalOptions& options, const Classes& classes) {
  check(std::filesystem::is_directory(options.images), ErrorCode::kFile, options.images,
        ": is no directory; expected the pictures (--images)");
  if (options.labels.empty()) return read_class_folders(options.images, classes.names(), options.model.notices);
  LabelledPictures listed = read_labels(options.labels, options.images, classes.size(), options.model.notices);
  listed.left_out.add("picture", "not listed", count_unlisted(listed.pictures));
  return listed;
}

/// All that one evaluation adds up.
struct Evaluation {
  Accuracy accuracy;
  Comparison comparison;
  std::optional<Reference> reference;
  std::optional<LogitsWriter> logits;
  EvalRun run;
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

Evaluation prepare(const EvalOptions& options, std::int64_t classes, std::size_t listed, std::size_t count) {
  Evaluation evaluation;
  if (!options.logits.empty()) evaluation.logits.emplace(count, classes);
  if (!options.reference.empty()) {
    const std::int64_t rows = evaluation.reference.emplace(options.reference, classes).rows();
    check(rows == static_cast<std::int64_t>(listed) || rows == static_cast<std::int64_t>(count), ErrorCode::kFormat,
          options.reference, ": has logits of ", rows, " pictures, expected ", listed);
  }
  return evaluation;
}

/// `against` and its classes may be null.
void evaluate(Contestant& contestant, Classes& classes, Contestant* against, Classes* against_classes,
              std::span<const LabelledPicture> pictures, const EvalOptions& options, Evaluation& evaluation) {
  evaluation.run =
      run_pictures(options, contestant, against, pictures, classes.answer(),
                   [&](std::size_t index, std::span<const float> answer, std::span<const float> reference_answer) {
                     const int label = pictures[index].label;
                     const std::span<const float> logits = classes.logits(answer);
                     evaluation.accuracy.add(label, logits);
                     if (evaluation.reference)
                       evaluation.comparison.add(label, logits, evaluation.reference->row(index));
                     if (against_classes != nullptr) {
                       evaluation.comparison.add(label, logits, against_classes->logits(reference_answer));
                     }
                     if (evaluation.logits) evaluation.logits->add(index, logits);
                   });
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

Record make_record(const EvalOptions& options, const OpenModel& model, const OpenModel* against,
                   const LabelledPictures& listed, const Evaluation& evaluation) {
  const auto n = static_cast<double>(evaluation.accuracy.count());
  Record record{{"model", model.description().name},
                {"precision", model.precision()},
                {"n", evaluation.accuracy.count()},
                {"top1", rounded(evaluation.accuracy.top1(), kDigits)},
                {"top5", rounded(evaluation.accuracy.top5(), kDigits)},
                {"images_per_s", rounded(n / evaluation.run.seconds, 2)}};
  if (!options.zero_shot.empty()) record["zero_shot"] = options.zero_shot;
  if (against != nullptr || evaluation.reference) add_comparison(record, options, against, evaluation.comparison);
  add_run(record, options, model, evaluation.run);
  add_pictures(record, listed, evaluation.run);
  return record;
}

int evaluate_classes(EvalOptions options, OpenModel& model) {
  Classes classes(model, options.zero_shot, options.model.notices);
  std::optional<OpenModel> reference;
  std::optional<Classes> reference_classes;
  if (!options.against.empty()) {
    reference.emplace(open_reference(options, model, classes.answer()));
    // The same texts, and what is to be said of them has been said.
    reference_classes.emplace(*reference, options.zero_shot, Notices{.quiet = true});
  }
  OpenModel* against = reference ? &*reference : nullptr;
  check_logits_file(options, model, against);
  const LabelledPictures listed = labelled_pictures(options, classes);
  const std::span<const LabelledPicture> pictures = limited(options, listed.pictures);
  options.batch = static_cast<int>(std::min<std::size_t>(options.batch, pictures.size()));

  Evaluation evaluation = prepare(options, classes.size(), listed.pictures.size(), pictures.size());
  evaluate(model.contestant, classes, against != nullptr ? &against->contestant : nullptr,
           reference_classes ? &*reference_classes : nullptr, pictures, options, evaluation);
  print(to_format(make_record(options, model, against, listed, evaluation), options.format));
  const std::size_t failures = evaluation.run.failures;
  if (evaluation.logits) {
    check(failures == 0, ErrorCode::kFormat, options.logits, ": not written, because ", failures,
          " pictures could not be read");
    evaluation.logits->write(options.logits, {{"model", model.description().name}, {"precision", model.precision()}});
  }
  return failures == 0 ? 0 : 1;
}

}  // namespace

int eval_command(const Arguments& args) {
  EvalOptions options;
  if (!parse(args, options)) return 0;
  say_shared_cores(options.model.notices, options.model.threads);
  OpenModel model = open_model(options.model);
  return evaluates_embeddings(options, model) ? evaluate_embeddings(std::move(options), model)
                                              : evaluate_classes(std::move(options), model);
}

}  // namespace vitq
