#pragma once
// What all evaluations have in common: pictures through one model or two, and what is reported of that.

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "cli/eval_options.h"
#include "cli/inference.h"
#include "cli/labels.h"
#include "cli/record.h"

namespace vitq {

struct EvalRun {
  std::vector<double> model_ms;  ///< of each picture that could be read
  double seconds = 0;            ///< all of it but the reference's share
  std::size_t failures = 0;
  int streams = 1;
};

/// Called with the picture's place in the list, its answer and the reference's (empty without one).
using TakeAnswer =
    std::function<void(std::size_t index, std::span<const float> answer, std::span<const float> reference)>;

/// Runs all pictures, with a bar on a terminal; what cannot be read is logged and counted. `against` may be null.
/// Throws Error where none can be read.
EvalRun run_pictures(const EvalOptions& options, Contestant& contestant, Contestant* against,
                     std::span<const LabelledPicture> listed, Answer answer, const TakeAnswer& take);

/// Adds the times, and with what they were measured: min_ms to p99_ms, streams, threads, batch, the system, file,
/// sha256, preprocessing, peak_rss_mb.
void add_run(Record& record, const EvalOptions& options, const OpenModel& model, const EvalRun& run);

/// Adds what was counted and how its classes are known: pictures, unreadable, repeated, classes, matched, left_out.
void add_pictures(Record& record, const LabelledPictures& listed, const EvalRun& run);

/// The first options.limit of `pictures`, or all.
template <class Picture>
std::span<const Picture> limited(const EvalOptions& options, const std::vector<Picture>& pictures) {
  const std::span<const Picture> all(pictures);
  return options.limit > 0 && options.limit < all.size() ? all.first(options.limit) : all;
}

}  // namespace vitq
