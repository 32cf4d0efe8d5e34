#pragma once
// The JSON configuration files that libraries keep beside their weights: values by key, of the type that is asked for,
// and an error that names file and key for any other.

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/error.h"
#include "vitq/preprocessing.h"
#include "weights/flat_json.h"

namespace vitq {

/// All functions that read give nothing where the key is absent or null, and throw Error (kFormat) where its value is
/// of another type.
class JsonConfig {
 public:
  /// Nothing where there is no such file. Throws Error (kFormat) where it is no JSON object.
  static std::optional<JsonConfig> read(const std::filesystem::path& path);
  /// The same of a text; errors begin with `file`.
  static JsonConfig parse(std::string_view text, const std::string& file);

  /// The same file, keys below `key` ("vision_config"); values beside it are not seen.
  [[nodiscard]] JsonConfig below(const std::string& key) const;
  /// Whether there is a value of this key, or below it.
  [[nodiscard]] bool has(const std::string& key) const;
  /// The keys directly below this place, sorted.
  [[nodiscard]] std::vector<std::string> keys() const;

  [[nodiscard]] std::optional<std::string> text(const std::string& key) const;
  [[nodiscard]] std::optional<double> number(const std::string& key) const;
  [[nodiscard]] std::optional<std::int64_t> integer(const std::string& key) const;
  [[nodiscard]] std::optional<bool> truth(const std::string& key) const;
  [[nodiscard]] std::optional<std::vector<double>> numbers(const std::string& key) const;
  [[nodiscard]] std::optional<std::vector<std::int64_t>> integers(const std::string& key) const;
  [[nodiscard]] std::optional<std::array<float, 3>> colours(const std::string& key) const;
  [[nodiscard]] std::optional<std::vector<std::string>> texts(const std::string& key) const;
  /// A whole number, which is a square, or two: height and width.
  [[nodiscard]] std::optional<PictureSize> size(const std::string& key) const;
  /// The side of such a square. Throws Error (kUnsupported) for what is none.
  [[nodiscard]] std::optional<std::int64_t> side(const std::string& key) const;
  /// The texts of an object whose keys are 0, 1, 2, ...
  [[nodiscard]] std::optional<std::vector<std::string>> numbered_texts(const std::string& key) const;

  /// Throws Error (kFormat) where there is such a whole number and it is not `expected`, which the tensors have.
  void check_same(const std::string& key, std::int64_t expected) const;
  /// Throws Error (kUnsupported): "FILE: KEY is VALUE, vitq computes WHAT".
  [[noreturn]] void refuse(const std::string& key, std::string_view what) const;

  [[nodiscard]] const std::string& file() const { return file_; }

 private:
  JsonConfig(FlatJson json, std::string file) : json_(std::move(json)), file_(std::move(file)) {}
  [[nodiscard]] const std::vector<JsonValue>* find(const std::string& key) const;
  void check_kind(const std::string& key, const std::vector<JsonValue>& values, bool ok, const char* expected) const;

  FlatJson json_;
  std::string file_;
  std::string prefix_;  // "vision_config."
};

}  // namespace vitq
