#include "cli/eval_embeddings.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "cli/args.h"
#include "cli/embedding_scores.h"
#include "cli/eval_run.h"
#include "cli/output.h"
#include "cli/pictures.h"
#include "cli/reference_model.h"
#include "engine/error.h"

namespace vitq {
namespace {

constexpr int kDigits = 4;
constexpr int kCosineDigits = 6;

/// With their labels where there are any to be had; all of them 0 where nobody needs one.
LabelledPictures pictures_of(const EvalOptions& options) {
  const Notices& notices = options.model.notices;
  check(std::filesystem::is_directory(options.images), ErrorCode::kFile, options.images,
        ": is no directory; expected the pictures (--images)");
  if (!options.labels.empty()) {
    LabelledPictures listed = read_labels(options.labels, options.images, std::numeric_limits<int>::max(), notices);
    listed.left_out.add("picture", "not listed", count_unlisted(listed.pictures));
    return listed;
  }
  if (options.neighbours > 0) return read_nameless_folders(options.images, notices);
  LabelledPictures all;
  for (std::filesystem::path& picture : list_pictures({options.images}, notices)) {
    all.pictures.push_back({.path = std::move(picture)});
  }
  return all;
}

void add_cosines(Record& record, const Cosines& cosines, std::span<const LabelledPicture> pictures) {
  record["cosine_mean"] = rounded(cosines.mean(), kCosineDigits);
  record["cosine_least"] = rounded(cosines.least(), kCosineDigits);
  record["cosine_p1"] = rounded(cosines.first_percentile(), kCosineDigits);
  record["least_picture"] = pictures[cosines.least_picture()].path.string();
}

}  // namespace

bool evaluates_embeddings(const EvalOptions& options, const OpenModel& model) {
  const bool has_classes = model.description().config.classes > 0 || !options.zero_shot.empty();
  return options.neighbours > 0 || options.embeddings || (!has_classes && !options.against.empty());
}

int evaluate_embeddings(EvalOptions options, OpenModel& model) {
  constexpr Answer kAnswer = Answer::kEmbedding;
  if (!options.logits.empty() || !options.reference.empty()) {
    throw UsageError(
        "--logits and --reference are of logits; there are none without a head or with --knn or --embeddings");
  }
  std::optional<OpenModel> reference;
  if (!options.against.empty()) reference.emplace(open_reference(options, model, kAnswer));
  const LabelledPictures listed = pictures_of(options);
  const std::span<const LabelledPicture> pictures = limited(options, listed.pictures);
  options.batch = static_cast<int>(std::min<std::size_t>(options.batch, pictures.size()));

  const std::size_t dim = size_of(kAnswer, model.contestant.session.model());
  Embeddings own(dim);
  Embeddings others(dim);
  Cosines cosines;
  const bool counts_neighbours = options.neighbours > 0;
  const EvalRun run =
      run_pictures(options, model.contestant, reference ? &reference->contestant : nullptr, pictures, kAnswer,
                   [&](std::size_t index, std::span<const float> embedding, std::span<const float> other) {
                     if (counts_neighbours) own.add(pictures[index].label, embedding);
                     if (other.empty()) return;
                     if (counts_neighbours) others.add(pictures[index].label, other);
                     cosines.add(index, embedding, other);
                   });

  Record record{{"model", model.description().name}, {"precision", model.precision()}, {"n", run.model_ms.size()}};
  const int threads = model.contestant.session.threads();
  const auto score_of = [&](const Embeddings& embeddings) {
    return embeddings.leave_one_out(static_cast<std::size_t>(options.neighbours), threads);
  };
  if (counts_neighbours) {
    const Embeddings::Score score = score_of(own);
    record["knn"] = options.neighbours;
    record["with_sibling"] = score.with_sibling;
    record["correct"] = score.correct;
    record["accuracy"] = rounded(score.accuracy(), kDigits);
  }
  if (reference) {
    add_cosines(record, cosines, pictures);
    if (counts_neighbours) {
      const Embeddings::Score score = score_of(others);
      record["correct_reference"] = score.correct;
      record["accuracy_reference"] = rounded(score.accuracy(), kDigits);
    }
    record["precision_reference"] = reference->precision();
    record["reference"] = reference->file.string();
  }
  record["images_per_s"] = rounded(static_cast<double>(run.model_ms.size()) / run.seconds, 2);
  add_run(record, options, model, run);
  add_pictures(record, listed, run);
  if (listed.matched.empty()) {
    for (const char* key : {"classes", "matched", "repeated"}) record.erase(key);
  }
  print(to_format(record, options.format));
  return run.failures == 0 ? 0 : 1;
}

}  // namespace vitq
