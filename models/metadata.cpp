#include "models/metadata.h"

#include <charconv>
#include <cmath>
#include <sstream>
#include <string_view>

#include "models/words.h"
#include "weights/flat_json.h"
#include "weights/printable.h"

namespace vitq {

namespace {

template <class Number>
Number parse(const Checkpoint& checkpoint, const std::string& key, std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  check(error == std::errc() && end == text.data() + text.size(), ErrorCode::kFormat, checkpoint.source(),
        ": metadata '", key, "' is ", printable(text), ", expected a number");
  return number;
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> words;
  std::istringstream stream(text);
  for (std::string word; std::getline(stream, word, ',');) words.push_back(word);
  return words;
}

}  // namespace

std::optional<std::string> metadata_text(const Checkpoint& checkpoint, const std::string& key) {
  const auto entry = checkpoint.metadata().find(key);
  if (entry == checkpoint.metadata().end()) return std::nullopt;
  return entry->second;
}

std::optional<std::int64_t> metadata_integer(const Checkpoint& checkpoint, const std::string& key) {
  const auto text = metadata_text(checkpoint, key);
  if (!text) return std::nullopt;
  return parse<std::int64_t>(checkpoint, key, *text);
}

std::optional<double> metadata_number(const Checkpoint& checkpoint, const std::string& key) {
  const auto text = metadata_text(checkpoint, key);
  if (!text) return std::nullopt;
  const auto number = parse<double>(checkpoint, key, *text);
  check(std::isfinite(number), ErrorCode::kFormat, checkpoint.source(), ": metadata '", key, "' is not finite");
  return number;
}

std::optional<PictureSize> metadata_size(const Checkpoint& checkpoint, const std::string& key) {
  const auto text = metadata_text(checkpoint, key);
  if (!text) return std::nullopt;
  const auto size = size_named(*text);
  check(size.has_value(), ErrorCode::kFormat, checkpoint.source(), ": metadata '", key, "' is ", printable(*text),
        ", expected a number, or height and width as in 224x336");
  return size;
}

std::optional<std::vector<std::int64_t>> metadata_integers(const Checkpoint& checkpoint, const std::string& key) {
  const auto words = metadata_list(checkpoint, key);
  if (!words) return std::nullopt;
  std::vector<std::int64_t> numbers;
  for (const std::string& word : *words) numbers.push_back(parse<std::int64_t>(checkpoint, key, word));
  return numbers;
}

std::optional<std::array<float, 3>> metadata_colours(const Checkpoint& checkpoint, const std::string& key) {
  const auto words = metadata_list(checkpoint, key);
  if (!words) return std::nullopt;
  check(words->size() == 3, ErrorCode::kFormat, checkpoint.source(), ": metadata '", key, "' has ", words->size(),
        " values, expected 3 (red, green, blue)");
  std::array<float, 3> colours{};
  for (std::size_t i = 0; i < 3; ++i) {
    colours[i] = parse<float>(checkpoint, key, (*words)[i]);
    check(std::isfinite(colours[i]), ErrorCode::kFormat, checkpoint.source(), ": metadata '", key, "' is not finite");
  }
  return colours;
}

std::optional<std::vector<std::string>> metadata_json_list(const Checkpoint& checkpoint, const std::string& key) {
  const auto text = metadata_text(checkpoint, key);
  if (!text) return std::nullopt;
  auto texts = json_texts(*text);
  check(texts.has_value(), ErrorCode::kFormat, checkpoint.source(), ": metadata '", key, "' is no JSON array of texts");
  return texts;
}

std::optional<std::vector<std::string>> metadata_list(const Checkpoint& checkpoint, const std::string& key) {
  const auto text = metadata_text(checkpoint, key);
  if (!text) return std::nullopt;
  return split(*text);
}

}  // namespace vitq
