#include "cli/model_options.h"

#include <sstream>
#include <vector>

#include "cli/spelling.h"
#include "engine/error.h"
#include "models/zoo.h"
#include "weights/printable.h"

namespace vitq {
namespace {

constexpr int kMostThreads = 1024;

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

Reader precision_reader(std::string& target) {
  return [&target](const std::string& text) -> std::string {
    if (text == "bf16" || text == "int8") {
      throw UsageError("--precision: " + text + " is not built into this version, expected fp32");
    }
    return choice(target, {"fp32"})(text);
  };
}

/// The model of a program that was given none. Its weights are not part of the project yet.
Classifier built_in_model(const ClassifierOptions&) {
  throw UsageError(
      "--model is needed, a name or a safetensors file: there is no built-in model yet; put NAME.safetensors into " +
      model_home().string() + " (or $VITQ_HOME), or make untrained weights with `vitq seed --model deit_t --out FILE`");
}

void set_preprocessing(const ModelOptions& options, Preprocessing& preprocessing) {
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

void declare(ArgumentParser& parser, ModelOptions& options) {
  constexpr double kLeastCrop = 1.0 / 16;
  constexpr double kMostColour = 10;
  constexpr double kLeastStd = 0.001;
  parser.option("--model", "NAME|FILE", "a name of `vitq models`, or a safetensors file", text(options.model));
  parser.option("--threads", "N", "threads to compute with; default: all CPUs",
                whole_number(options.threads, 1, kMostThreads));
  parser.option("--precision", "fp32", "arithmetic of the model", precision_reader(options.precision));
  parser.option("--resize", "N|none", "short side of a picture before the centre crop; none: crop it as it is",
                resize_reader(options.resize));
  parser.option("--crop-pct", "P", "the same as a fraction: resize to (model's size) / P",
                number(options.crop_pct, kLeastCrop, 1));
  parser.option("--mean", "R,G,B", "subtracted from pixels between 0 and 1",
                colours(options.mean, -kMostColour, kMostColour));
  parser.option("--std", "R,G,B", "then divided by", colours(options.std, kLeastStd, kMostColour));
}

void check_zoo_name(const std::string& name) {
  if (find_in_zoo(name) != nullptr) return;
  std::vector<std::string> names;
  for (const ZooEntry& entry : zoo()) names.emplace_back(entry.name);
  throw UsageError("no model named " + printable(name) + suggestion(name, names) + " (`vitq models` lists them)");
}

std::filesystem::path find_model_file(const std::string& model) {
  std::error_code ignored;
  const bool exists = std::filesystem::exists(model, ignored);
  if (find_in_zoo(model) == nullptr && !exists) {
    check(model.find_first_of("/.") == std::string::npos, model, ": there is no such file; expected a model");
    check_zoo_name(model);
  }
  return locate_model(model);
}

OpenModel open_model(const ModelOptions& options) {
  if (options.resize && options.crop_pct) throw UsageError("--resize and --crop-pct exclude each other; give one");
  const ClassifierOptions how{.threads = options.threads};
  if (options.model.empty()) return {built_in_model(how), "", ""};
  const std::filesystem::path file = find_model_file(options.model);
  OpenModel opened{Classifier::open(options.model, how), file, ""};
  set_preprocessing(options, opened.classifier.preprocessing());
  const bool is_changed = options.resize || options.crop_pct || options.mean || options.std;
  opened.preprocessing = to_string(opened.classifier.preprocessing()) + " (" +
                         opened.classifier.description().preprocessing_source +
                         (is_changed ? ", changed by the command line)" : ")");
  return opened;
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
