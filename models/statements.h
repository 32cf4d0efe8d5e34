#pragma once
// Everybody who says something of a model, the most trusted first.

#include <array>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/config.h"
#include "models/facts.h"
#include "models/zoo.h"
#include "vitq/stated.h"
#include "weights/checkpoint.h"

namespace vitq {

template <class T>
struct Said {
  T value;
  Source source = Source::kAssumed;
  std::string from;
};

class Statements {
 public:
  /// The next less trusted one. `guesses`: what of it is only a guess ("mean").
  void add(Stated says, Source source, std::string from, std::set<std::string, std::less<>> guesses = {});

  /// The first that says `field`, called `what`. Nothing where nobody does.
  template <class T>
  [[nodiscard]] std::optional<Said<T>> find(std::optional<T> Stated::*field, std::string_view what) const {
    for (const Statement& one : all_) {
      if (const std::optional<T>& value = one.says.*field) return said(one, *value, what);
    }
    return std::nullopt;
  }

  /// The size before the crop, whoever says it as such or as a fraction. Throws Error for a side or a fraction
  /// that makes no sense, in the name of `checkpoint` unless the caller says it.
  [[nodiscard]] std::optional<Said<PictureSize>> find_resize(const Checkpoint& checkpoint,
                                                             PictureSize image_size) const;

 private:
  struct Statement {
    Stated says;
    Source source = Source::kAssumed;
    std::string from;
    std::set<std::string, std::less<>> guesses;
  };

  template <class T>
  static Said<T> said(const Statement& one, T value, std::string_view what) {
    const bool is_guess = one.guesses.contains(what);
    return {std::move(value), is_guess ? Source::kAssumed : one.source, is_guess ? "assumed" : one.from};
  }

  std::vector<Statement> all_;
};

/// What a file of vitq's own says in its metadata; nothing of any other file: other people's keys mean other things.
/// Throws Error, naming the key, for what does not parse or makes no sense.
Stated stated_by_file(const Checkpoint& checkpoint, const ModelConfig& shapes);

/// What of that was a guess when the file was made ("assumed" in its metadata).
std::set<std::string, std::less<>> guesses_of_file(const Checkpoint& checkpoint);

/// What a published model is: its name and its numbers.
Stated structure_of(const ZooEntry& row);
/// What is done to its pictures, and its classes.
Stated preprocessing_of(const ZooEntry& row);

/// What the tensors leave no doubt about.
Stated stated_by_tensors(const ModelConfig& shapes);

/// What the blocks of a published model imply: heads, epsilon, activation, pooling. The row is the one of those shapes,
/// whatever its classes; nothing where there is none. config.heads need not be known.
std::optional<std::pair<Stated, std::string>> stated_by_shapes(const ModelConfig& config);

/// What the name of a Swin V2 of timm's or Microsoft's says of its windows and its picture:
/// "swinv2_base_window12to16_192to256" has windows of 16, trained with those of 12 (of 6 in the last stage), for 256
/// pixels. Nothing for any other name.
Stated windows_of_name(std::string_view name);

/// What a file's name suggests of the preprocessing, by the families of timm's names: DeiT and Swin were trained with
/// ImageNet's mean and deviation, ViT with halves, and 384 pixels and more without a margin; and windows_of_name.
Stated stated_by_name(std::string_view stem, PictureSize image_size);

/// What is usual.
Stated usually(const ModelConfig& config);

}  // namespace vitq
