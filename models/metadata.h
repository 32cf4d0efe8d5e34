#pragma once
// Typed reading of a checkpoint's __metadata__, whose values are text that anyone may have written.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/error.h"
#include "vitq/preprocessing.h"
#include "weights/checkpoint.h"

namespace vitq {

/// Value of `key`, or nothing where it is absent. Throws Error, naming file, key and text, where it does not parse.
std::optional<std::string> metadata_text(const Checkpoint& checkpoint, const std::string& key);
std::optional<std::int64_t> metadata_integer(const Checkpoint& checkpoint, const std::string& key);
std::optional<double> metadata_number(const Checkpoint& checkpoint, const std::string& key);
/// Whole numbers separated by commas.
std::optional<std::vector<std::int64_t>> metadata_integers(const Checkpoint& checkpoint, const std::string& key);
/// Three numbers separated by commas, one per colour.
std::optional<std::array<float, 3>> metadata_colours(const Checkpoint& checkpoint, const std::string& key);
/// "224", or height and width: "224x336".
std::optional<PictureSize> metadata_size(const Checkpoint& checkpoint, const std::string& key);
/// The texts of a JSON array.
std::optional<std::vector<std::string>> metadata_json_list(const Checkpoint& checkpoint, const std::string& key);
/// Words separated by commas.
std::optional<std::vector<std::string>> metadata_list(const Checkpoint& checkpoint, const std::string& key);

/// What `work` returns. What it throws is then said of the file: for checks of numbers that the file states.
template <class Work>
auto of_file(const Checkpoint& checkpoint, Work&& work) {
  try {
    return work();
  } catch (const Error& error) {
    fail(ErrorCode::kFormat, checkpoint.source(), ": ", error.what());
  }
}

}  // namespace vitq
