#pragma once
// Timing several precisions of one model against each other, round by round: A B A B. Two runs one after the other
// mislead on a machine that is not quiet; the ratio within a round does not, much.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/step_clock.h"
#include "models/describe.h"
#include "vitq/model.h"

namespace vitq {

/// One precision of the model.
struct Contender {
  std::string precision;  ///< "fp32", "bf16" or an artifact's: "w8a8"
  std::string weights;    ///< the file, or how they came about
  std::string sha256;     ///< of the file; empty where there is none
  Checkpoint checkpoint;
  ModelDescription description;
  ModelOptions options = {};
};

/// The contenders for `precisions` ("fp32", "int8", ...) of `model`: a zoo name, a file, or empty for the built-in one.
/// Where a zoo model's weights are not at hand they are seeded, and where there is no artifact one is made in memory,
/// calibrated on the seeded input; each is logged. Throws as opening and quantizing do.
std::vector<Contender> contenders(const std::string& model, const std::vector<std::string>& precisions,
                                  const Stated& stated = {});

struct BenchSettings {
  int threads = 1;
  int batch = 1;
  int warmup = 10;  ///< rounds
  int iters = 50;   ///< rounds that count
  bool profile = false;
  int streams = 1;  ///< sessions of one model side by side, with their shares of the threads; with several no profile
};

struct Timing {
  std::vector<double> ms;     ///< of each round: a pass, or one of each stream
  double peak = 0;            ///< PeakProbe's, multiply-accumulates a second: the median of the profiles' rounds
  double peak_share = 0;      ///< what a round is of the peak measured beside it: the median of those rounds
  double peak_rss_bytes = 0;  ///< of the whole process, until now
  StepClock::Totals steps{};  ///< mean of a pass
};

struct Timings {
  std::vector<Timing> timings;   ///< one for each contender
  std::optional<double> others;  ///< CPUs that others used meanwhile (LoadWatch)
};

/// Of the rounds that take profiles and the peak beside them: half of the others with `profile`, else at most five.
int profile_rounds(const BenchSettings& settings);

/// Runs all contenders on the seeded input, `advance` after each round. Profiles are taken in rounds of their own,
/// after the others.
Timings time_rounds(const std::vector<Contender>& contenders, const BenchSettings& settings,
                    const std::function<void()>& advance);

}  // namespace vitq
