#include "cli/benchmark.h"

#include <chrono>
#include <deque>
#include <filesystem>
#include <utility>

#include "api/model_impl.h"
#include "cli/load.h"
#include "cli/model_files.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "cli/peak.h"
#include "cli/sha256.h"
#include "cli/side_by_side.h"
#include "cli/statement_options.h"
#include "cli/statistics.h"
#include "engine/cpu.h"
#include "engine/error.h"
#include "models/model_home.h"
#include "models/zoo.h"
#include "quant/calibrate.h"
#include "weights/artifact.h"
#include "weights/seeded.h"

namespace vitq {
namespace {

namespace fs = std::filesystem;

std::vector<float> seeded_images(const ModelConfig& config, std::int64_t count) {
  std::vector<float> images(count * ModelConfig::kChannels * config.image_size.pixels());
  fill_seeded_input(0, images);
  return images;
}

Contender from_file(const fs::path& file, const std::string& model, const Stated& stated) {
  Checkpoint checkpoint = open_checkpoint(file);
  ModelDescription description = describe_stated(checkpoint, zoo_name(model), stated);
  std::string precision = precision_of(checkpoint);
  return {std::move(precision), file.string(), sha256_of_file(file), std::move(checkpoint), std::move(description)};
}

Contender from_seed(const std::string& name, const Stated& stated) {
  Checkpoint checkpoint = seeded_checkpoint(name);
  ModelDescription description = describe_stated(checkpoint, name, stated);
  log("vitq: " + name + " has no weights here: timed with seeded ones, which take as long");
  return {kFloatPrecision, "seeded", "", std::move(checkpoint), std::move(description)};
}

/// One picture and the nearest codes will do: which codes they are takes no time.
Contender quantized(const Contender& source) {
  QuantizeOptions options;
  options.rounding = Rounding::kNearest;
  const auto images = seeded_images(source.description.config, 1);
  const QuantizedModel model = quantize_model(source.checkpoint, source.description, images, 1, options);
  log("vitq: no artifact here: int8 is w8a8, calibrated on the seeded input, right for timing alone");
  return {precision_name(options), source.weights + ", calibrated on the seeded input", "", model.artifact.checkpoint(),
          source.description};
}

/// Where the weights of a model may be.
struct Files {
  std::string name;                  // of a zoo row; empty: none
  std::optional<fs::path> floats;    // fp32
  std::optional<fs::path> artifact;  // int8
};

std::optional<fs::path> if_there(const fs::path& file) { return fs::exists(file) ? std::optional(file) : std::nullopt; }

Files find_files(const std::string& model) {
  if (model.empty()) return {"", find_built_in_model(kFloatPrecision), find_built_in_model("")};
  if (const auto name = zoo_name(model)) {
    const auto home = find_model_home();
    if (!home) return {*name, std::nullopt, std::nullopt};
    return {*name, if_there(*home / (*name + ".safetensors")), if_there(*home / (*name + ".w8a8.safetensors"))};
  }
  const fs::path file = find_model_file(model);
  const Checkpoint checkpoint = open_checkpoint(file);
  if (!is_artifact(checkpoint)) return {"", file, std::nullopt};
  const std::string name = describe(checkpoint).name;
  const auto source = checkpoint.metadata().find("source");
  try {
    return {name, find_float_model(file, source != checkpoint.metadata().end() ? source->second : "", name), file};
  } catch (const Error&) {
    if (find_in_zoo(name) == nullptr) throw;
    return {name, std::nullopt, file};
  }
}

/// One contender at work, in as many streams as are asked for.
class Lane {
 public:
  Lane(const Contender& contender, const BenchSettings& settings)
      : batch_(settings.batch), images_(seeded_images(contender.description.config, settings.batch)) {
    const auto model = make_model(contender.checkpoint, contender.description, contender.options);
    const int streams = settings.streams;
    for (int i = 0; i < streams; ++i) {
      Session session(model, {.threads = share_of(settings.threads, streams, i)});
      const std::size_t classes = batch_ * model->classes();
      const std::size_t embedding = classes > 0 ? 0 : batch_ * model->embedding_size();
      streams_.push_back({std::move(session), std::vector<float>(classes), std::vector<float>(embedding)});
    }
    if (streams > 1) side_by_side_.emplace(streams, [this](int i) { run(streams_[i]); });
  }

  /// Of a pass of each stream.
  double seconds() {
    const auto start = std::chrono::steady_clock::now();
    if (side_by_side_) {
      side_by_side_->run();
    } else {
      run(streams_.front());
    }
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  /// The same with the time of each step, where there is one stream.
  double profiled_seconds(StepClock::Totals& steps) {
    if (side_by_side_) return seconds();
    Stream& stream = streams_.front();
    steps = profile(stream.session, images_, batch_, outputs_of(stream));
    double sum = 0;
    for (const StepClock::Total& step : steps) sum += step.seconds;
    return sum;
  }

 private:
  struct Stream {
    Session session;
    std::vector<float> logits;
    std::vector<float> embedding;  // where there is no head
  };

  static Outputs outputs_of(Stream& stream) { return {.logits = stream.logits, .embedding = stream.embedding}; }
  void run(Stream& stream) { stream.session.run(images_, batch_, outputs_of(stream)); }

  std::int64_t batch_;
  std::vector<float> images_;
  std::vector<Stream> streams_;
  std::optional<SideBySide> side_by_side_;
};

DType operands_of(const std::string& precision) {
  if (precision == kBf16Precision) return DType::kBF16;
  return precision == kFloatPrecision ? DType::kF32 : DType::kU8;
}

void take_profiles(std::deque<Lane>& lanes, std::vector<PeakProbe>& probes, std::vector<Timing>& timings, int rounds,
                   double macs, const std::function<void()>& advance) {
  std::vector<std::vector<double>> peaks(lanes.size());
  std::vector<std::vector<double>> shares(lanes.size());
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < lanes.size(); ++i) {
      peaks[i].push_back(probes[i].measure());
      StepClock::Totals totals{};
      const double seconds = lanes[i].profiled_seconds(totals);
      for (std::size_t step = 0; step < kStepCount; ++step) {
        timings[i].steps[step].seconds += totals[step].seconds / rounds;
        timings[i].steps[step].macs += totals[step].macs / rounds;
      }
      shares[i].push_back(macs / seconds / peaks[i].back());
    }
    advance();
  }
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    timings[i].peak = summarize(peaks[i]).median;
    timings[i].peak_share = summarize(shares[i]).median;
  }
}

}  // namespace

std::vector<Contender> contenders(const std::string& model, const std::vector<std::string>& precisions,
                                  const Stated& stated) {
  const Files files = find_files(model);
  const auto open_float = [&] {
    return files.floats ? from_file(*files.floats, files.name, stated) : from_seed(files.name, stated);
  };
  std::vector<Contender> result;
  for (const std::string& precision : precisions) {
    if (precision == kFloatPrecision || precision == kBf16Precision) {
      result.push_back(open_float());
      result.back().precision = precision;
      result.back().options.bf16 = precision == kBf16Precision;
    } else {
      result.push_back(files.artifact ? from_file(*files.artifact, files.name, stated) : quantized(open_float()));
    }
  }
  return result;
}

int profile_rounds(const BenchSettings& settings) {
  constexpr int kWithout = 5;
  const int half = (settings.iters + 1) / 2;
  return settings.profile ? half : std::min(half, kWithout);
}

Timings time_rounds(const std::vector<Contender>& contenders, const BenchSettings& settings,
                    const std::function<void()>& advance) {
  constexpr double kMilliseconds = 1e3;
  Timings result;
  std::deque<Lane> lanes;  // they do not move
  for (const Contender& contender : contenders) lanes.emplace_back(contender, settings);
  result.timings.resize(lanes.size());
  for (int round = 0; round < settings.warmup; ++round) {
    for (Lane& lane : lanes) lane.seconds();
    advance();
  }
  const LoadWatch watch;
  for (int round = 0; round < settings.iters; ++round) {
    for (std::size_t i = 0; i < lanes.size(); ++i) result.timings[i].ms.push_back(kMilliseconds * lanes[i].seconds());
    advance();
  }
  result.others = watch.others();
  for (Timing& timing : result.timings) timing.peak_rss_bytes = static_cast<double>(peak_rss_bytes());
  std::vector<PeakProbe> probes;
  probes.reserve(contenders.size());
  for (const Contender& contender : contenders) {
    probes.emplace_back(operands_of(contender.precision), settings.threads);
  }
  take_profiles(lanes, probes, result.timings, profile_rounds(settings),
                static_cast<double>(multiply_accumulates(contenders.front().description.config) * settings.batch *
                                    settings.streams),
                advance);
  return result;
}

}  // namespace vitq
