#include "cli/model_options.h"

#include <sstream>

#include "api/model_impl.h"
#include "cli/output.h"
#include "engine/error.h"
#include "engine/gemm/onednn.h"
#include "models/zoo.h"
#include "weights/artifact.h"
#include "weights/printable.h"

namespace vitq {
namespace {

constexpr int kMostThreads = 1024;
constexpr const char* kIntegerPrecision = "int8";

/// Reads "r,g,b", three numbers from `least` to `most`.
Reader colours(std::optional<std::array<float, 3>>& target, double least, double most) {
  return [&target, least, most](const std::string& text) -> std::string {
    std::array<float, 3> values{};
    std::stringstream parts(text + ',');
    std::string part;
    std::size_t count = 0;
    bool is_fine = true;
    while (std::getline(parts, part, ',')) {
      const std::optional<double> value = parse_number(part);
      is_fine = is_fine && count < values.size() && value && least <= *value && *value <= most;
      if (!is_fine) break;
      values[count++] = static_cast<float>(*value);
    }
    if (is_fine && count == values.size()) {
      target = values;
      return "";
    }
    std::ostringstream expected;
    expected << "three numbers r,g,b from " << least << " to " << most;
    return expected.str();
  };
}

Reader resize_reader(std::optional<int>& target) {
  return [&target](const std::string& text) -> std::string {
    constexpr int kMost = 16384;
    int side = 0;
    const std::string expected = text == "none" ? "" : whole_number(side, 1, kMost)(text);
    if (!expected.empty()) return "none or " + expected;
    target = side;
    return "";
  };
}

void set_preprocessing(const ModelArguments& options, Preprocessing& preprocessing) {
  if (options.resize) preprocessing.resize = *options.resize;
  if (options.crop_pct) preprocessing.resize = resize_for_crop(preprocessing.image_size, *options.crop_pct);
  if (options.mean) preprocessing.mean = *options.mean;
  if (options.std) preprocessing.std = *options.std;
  if (preprocessing.resize != 0 && preprocessing.resize < preprocessing.image_size) {
    throw UsageError("--resize: expected none or at least the " + std::to_string(preprocessing.image_size) +
                     " pixels that the model sees, found " + std::to_string(preprocessing.resize));
  }
}

}  // namespace

void declare(ArgumentParser& parser, ModelArguments& options) {
  constexpr double kLeastCrop = 1.0 / 16;
  constexpr double kMostColour = 10;
  constexpr double kLeastStd = 0.001;
  parser.option("--model", "NAME|FILE", "a name of `vitq models`, or a safetensors file", text(options.model));
  parser.option("--threads", "N", "threads to compute with; default: all CPUs",
                whole_number(options.threads, 1, kMostThreads));
  parser.option("--resize", "N|none", "short side of a picture before the centre crop; none: crop it as it is",
                resize_reader(options.resize));
  parser.option("--crop-pct", "P", "the same as a fraction: resize to (model's size) / P",
                number(options.crop_pct, kLeastCrop, 1));
  parser.option("--mean", "R,G,B", "subtracted from pixels between 0 and 1",
                colours(options.mean, -kMostColour, kMostColour));
  parser.option("--std", "R,G,B", "then divided by", colours(options.std, kLeastStd, kMostColour));
  declare(parser, options.notices);
}

void declare_precision(ArgumentParser& parser, ModelArguments& options) {
  parser.option("--precision", "fp32|bf16|int8",
                "bf16: a float32 model multiplied in bf16, where the CPU can (`vitq info`); int8: an artifact of\n"
                "`vitq quantize`, of a name NAME.w8a8.safetensors; default: what the file is",
                choice(options.precision, {kFloatPrecision, kBf16Precision, kIntegerPrecision}));
}

OpenFile open_model_file(const ModelArguments& options) {
  if (options.resize && options.crop_pct) throw UsageError("--resize and --crop-pct exclude each other; give one");
  const bool wants_integer = options.precision == kIntegerPrecision;
  const std::filesystem::path file =
      options.model.empty() ? find_built_in_model(options.precision) : find_model_file(options.model, wants_integer);
  Checkpoint checkpoint = open_checkpoint(file);
  std::string precision = precision_of(checkpoint);
  const bool is_float = precision == kFloatPrecision;
  const bool wants_float = options.precision == kFloatPrecision || options.precision == kBf16Precision;
  check(!wants_integer || !is_float, file.string(), ": is a float32 model, expected an artifact (--precision int8); ",
        "make one with `vitq quantize --model ", file.string(), " --images DIR --out FILE`");
  check(!wants_float || is_float, file.string(), ": is a ", precision,
        " artifact, expected a float32 model (--precision ", options.precision, "); name the model it was made from");
  if (wants_float) precision = options.precision;
  ModelDescription description = describe(checkpoint, zoo_name(options.model));
  const int own_resize = description.preprocessing.resize;
  set_preprocessing(options, description.preprocessing);
  const bool is_changed = options.resize || options.crop_pct || options.mean || options.std;
  const std::string preprocessing = to_string(description.preprocessing) + " (" + description.preprocessing_source +
                                    (is_changed ? ", changed by the command line)" : ")");
  return {file, std::move(checkpoint), std::move(description), precision, preprocessing, own_resize};
}

OpenModel open_model(const ModelArguments& options) {
  OpenFile opened = open_model_file(options);
  const bool is_bf16 = opened.precision == kBf16Precision;
  if (opened.precision != kFloatPrecision && !is_bf16 && int8_saturates()) {
    if (!options.notices.quiet) log("vitq: warning: this CPU has no VNNI: weights run at seven bits");
  }
  const Preprocessing how = opened.description.preprocessing;
  auto model = make_model(opened.checkpoint, std::move(opened.description), {.bf16 = is_bf16});
  return {opened.file, opened.preprocessing, Contestant(std::move(model), options.threads, how)};
}

const ModelDescription& OpenModel::description() const { return contestant.session.model().impl().description; }

const std::map<std::string, std::string>& OpenModel::metadata() const {
  return contestant.session.model().impl().metadata;
}

std::string to_string(const Preprocessing& preprocessing) {
  std::ostringstream text;
  const auto list = [&](const std::array<float, 3>& values) {
    text << values[0] << ',' << values[1] << ',' << values[2];
  };
  if (preprocessing.resize == 0) {
    text << "no resize";
  } else {
    text << "resize " << preprocessing.resize << " (bicubic)";
  }
  text << ", centre crop " << preprocessing.image_size << ", mean ";
  list(preprocessing.mean);
  text << ", std ";
  list(preprocessing.std);
  return text.str();
}

}  // namespace vitq
