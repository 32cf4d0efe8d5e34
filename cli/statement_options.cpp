#include "cli/statement_options.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <limits>
#include <map>
#include <optional>
#include <sstream>
#include <vector>

#include "cli/output.h"
#include "engine/error.h"
#include "models/words.h"
#include "weights/printable.h"

namespace vitq {
namespace {

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

/// Reads a size, "224" or "224x336".
Reader size_reader(std::optional<PictureSize>& target, std::int64_t most) {
  return [&target, most](const std::string& text) -> std::string {
    const auto size = size_named(text);
    const bool is_fine =
        size && std::min(size->height, size->width) >= 1 && std::max(size->height, size->width) <= most;
    if (!is_fine) return "a whole number from 1 to " + std::to_string(most) + ", or two, HxW";
    target = size;
    return "";
  };
}

Reader resize_reader(std::optional<PictureSize>& target) {
  constexpr std::int64_t kMost = 16384;
  return [&target, read = size_reader(target, kMost)](const std::string& text) -> std::string {
    if (text != "none") {
      const std::string expected = read(text);
      return expected.empty() ? "" : "none or " + expected;
    }
    target = PictureSize();
    return "";
  };
}

/// Reads a file of class names, one a line.
Reader class_names(std::optional<std::vector<std::string>>& target) {
  return [&target](const std::string& file) -> std::string {
    std::ifstream stream(file);
    check(stream.is_open(), ErrorCode::kFile, file, ": cannot be read; expected class names, one a line (--classes)");
    std::vector<std::string> names;
    for (std::string line; std::getline(stream, line);) {
      if (line.ends_with('\r')) line.pop_back();
      names.push_back(line);
    }
    while (!names.empty() && names.back().empty()) names.pop_back();
    check(!names.empty(), ErrorCode::kFormat, file, ": is empty, expected class names, one a line (--classes)");
    for (std::size_t i = 0; i < names.size(); ++i) {
      check(!names[i].empty(), ErrorCode::kFormat, file, ": line ", i + 1, " is empty, expected the name of a class");
    }
    target = std::move(names);
    return "";
  };
}

Reader stated_text(std::optional<std::string>& target, std::vector<std::string> choices) {
  return [&target, choices = std::move(choices)](const std::string& text) -> std::string {
    std::string word;
    std::string expected = choices.empty() ? vitq::text(word)(text) : choice(word, choices)(text);
    if (expected.empty()) target = word;
    return expected;
  };
}

/// Reads "A,B,C", whole numbers from 0 to `most`, or none.
Reader stated_extents(std::optional<std::vector<std::int64_t>>& target, std::int64_t most) {
  return [&target, most](const std::string& text) -> std::string {
    std::vector<std::int64_t> values;
    std::stringstream parts(text == "none" ? "" : text + ',');
    for (std::string part; std::getline(parts, part, ',');) {
      const std::string expected = whole_number<std::int64_t>(values.emplace_back(), 0, most)(part);
      if (!expected.empty()) return "none, or for each stage " + expected + ", with commas between";
    }
    target = std::move(values);
    return "";
  };
}

Reader stated_extent(std::optional<std::int64_t>& target, std::int64_t most) {
  return [&target, most](const std::string& text) -> std::string {
    std::int64_t value = 0;
    std::string expected = whole_number<std::int64_t>(value, 1, most)(text);
    if (expected.empty()) target = value;
    return expected;
  };
}

/// "--image-size" for "image_size".
std::string option_for(std::string fact) {
  std::ranges::replace(fact, '_', '-');
  return "--" + fact + (fact == "classes" ? " (of convert)" : "");
}

}  // namespace

void declare(ArgumentParser& parser, Stated& stated) {
  constexpr double kLeastCrop = 1.0 / 16;
  constexpr double kMostColour = 10;
  constexpr double kLeastStd = 0.001;
  constexpr std::int64_t kMostHeads = 1024;
  parser.option("--resize", "N|HxW|none",
                "short side of a picture before the centre crop, or a height and a width that it covers; none: crop\n"
                "it as it is",
                resize_reader(stated.resize));
  parser.option("--crop-pct", "P", "the same as a fraction: resize to (model's size) / P",
                number(stated.crop_pct, kLeastCrop, 1));
  parser.option("--interpolation", "bicubic|bilinear", "of that resize",
                stated_text(stated.interpolation, {"bicubic", "bilinear"}));
  parser.option("--resize-mode", "shortest|squash|border",
                "of that resize: keep the ratio and cover the crop; do not keep it; or keep it, fit into the crop and\n"
                "fill the rest with the mean colour",
                stated_text(stated.resize_mode, {"shortest", "squash", "border"}));
  parser.option("--resize-rounding", "bytes|float",
                "of that resize: to bytes, as Pillow does, or none (DINOv3 of transformers)",
                stated_text(stated.resize_rounding, {"bytes", "float"}));
  parser.option("--mean", "R,G,B", "subtracted from pixels between 0 and 1",
                colours(stated.mean, -kMostColour, kMostColour));
  parser.option("--std", "R,G,B", "then divided by", colours(stated.std, kLeastStd, kMostColour));
  parser.option("--image-size", "N|HxW",
                "pixels of a side that the model sees, or of height and width; positions are resampled",
                size_reader(stated.image_size, ModelConfig::kMostImageSide));
  parser.option("--trained-size", "HxW", "pixels that the stored positions are of, where these are no square",
                size_reader(stated.trained_size, ModelConfig::kMostImageSide));
  parser.option("--position-filter", "antialiased|plain",
                "how positions are resampled: as timm does (the default), or as transformers",
                stated_text(stated.position_filter, {"antialiased", "plain"}));
  parser.option("--heads", "N", "heads of a ViT's attention", stated_extent(stated.heads, kMostHeads));
  parser.option("--eps", "E", "epsilon of LayerNorm", number(stated.eps, std::numeric_limits<double>::min(), 1));
  parser.option("--activation", "NAME", "of the MLP: gelu, quick_gelu, gelu_tanh, silu",
                stated_text(stated.activation, {}));
  parser.option("--pool", "NAME",
                "what the head takes: token (the class's), avg (mean of the patches), avgmax, token+avg",
                stated_text(stated.pool, {"token", "avg", "avgmax", "token+avg", "map"}));
  parser.option("--head", "classes|projection", "what the head makes: classes, or an embedding (CLIP)",
                stated_text(stated.head, {"classes", "projection"}));
  parser.option("--rope", "none|dinov3|eva02", "rotary position embedding",
                stated_text(stated.rope, {"none", "dinov3", "eva02"}));
  parser.option("--window", "N", "tokens a side of a Swin V2's windows",
                stated_extent(stated.window, ModelConfig::kMostImageSide));
  parser.option("--trained-windows", "A,B,C,D|none",
                "of each stage of a Swin V2 those that its biases were trained with, 0 for the same",
                stated_extents(stated.trained_windows, ModelConfig::kMostImageSide));
}

void declare_names(ArgumentParser& parser, Stated& stated) {
  parser.option("--classes", "FILE", "names of the classes, one a line", class_names(stated.classes));
  parser.option("--name", "NAME", "what the model is called", stated_text(stated.name, {}));
}

ModelDescription describe_stated(const Checkpoint& checkpoint, const std::optional<std::string>& insist,
                                 const Stated& stated) {
  try {
    return describe(checkpoint, insist, stated);
  } catch (const Error& error) {
    if (error.code() == ErrorCode::kArgument) throw UsageError(error.what());
    throw;
  }
}

void say_guesses(const Notices& notices, const std::string& file, const ModelDescription& description) {
  std::map<std::string, std::string> facts;  // by source
  std::string options;
  for (const Fact& guess : guesses_of(description)) {
    std::string& list = facts[guess.from];
    list.append(list.empty() ? "" : ", ").append(guess.what).append(" ").append(guess.value);
    options.append(options.empty() ? "" : ", ").append(option_for(guess.what));
  }
  if (facts.empty()) return;
  std::string text = file + ": does not state";
  for (const auto& [from, list] : facts) text.append(" ").append(list).append(" (").append(from).append("),");
  notices.say(text + " which may be wrong: state " + options + ", here or once with `vitq convert`");
}

std::string left_behind_text(const std::vector<std::string>& names) {
  constexpr std::size_t kMost = 8;
  std::vector<std::string> safe(names.size());
  std::ranges::transform(names, safe.begin(), [](const std::string& name) { return printable(name); });
  return some_of(safe, kMost);
}

void say_left_behind(const Notices& notices, const std::string& file, const std::vector<std::string>& names) {
  if (!names.empty()) notices.say(file + ": left behind, as no part of the model: " + left_behind_text(names));
}

}  // namespace vitq
