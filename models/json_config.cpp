#include "models/json_config.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>

#include "weights/printable.h"

namespace vitq {

std::optional<JsonConfig> JsonConfig::read(const std::filesystem::path& path) {
  std::ifstream stream(path);
  if (!stream) return std::nullopt;
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  return parse(text, path.string());
}

JsonConfig JsonConfig::parse(std::string_view text, const std::string& file) {
  auto json = flatten_json(text);
  check(json && json->is_object, ErrorCode::kFormat, file, ": is no JSON object, expected the model's configuration");
  return {*std::move(json), file};
}

JsonConfig JsonConfig::below(const std::string& key) const {
  JsonConfig inner = *this;
  inner.prefix_ += key + '.';
  return inner;
}

bool JsonConfig::has(const std::string& key) const {
  if (find(key) != nullptr) return true;
  const std::string below = prefix_ + key + '.';
  const auto found = json_.values.lower_bound(below);
  return found != json_.values.end() && found->first.starts_with(below);
}

std::vector<std::string> JsonConfig::keys() const {
  std::vector<std::string> keys;
  for (auto entry = json_.values.lower_bound(prefix_); entry != json_.values.end() && entry->first.starts_with(prefix_);
       ++entry) {
    std::string key = entry->first.substr(prefix_.size());
    key.resize(std::min(key.size(), key.find('.')));
    keys.push_back(std::move(key));
  }
  std::ranges::sort(keys);
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  return keys;
}

std::optional<std::string> JsonConfig::text(const std::string& key) const {
  const auto* values = find(key);
  if (values == nullptr) return std::nullopt;
  check_kind(key, *values, values->size() == 1 && values->front().is_text, "a text");
  return values->front().text;
}

std::optional<double> JsonConfig::number(const std::string& key) const {
  const auto list = numbers(key);
  if (!list) return std::nullopt;
  check_kind(key, *find(key), list->size() == 1, "a number");
  return list->front();
}

std::optional<std::int64_t> JsonConfig::integer(const std::string& key) const {
  constexpr double kMost = 1e15;
  const auto value = number(key);
  if (!value) return std::nullopt;
  check_kind(key, *find(key), *value == std::floor(*value) && std::abs(*value) < kMost, "a whole number");
  return static_cast<std::int64_t>(*value);
}

std::optional<bool> JsonConfig::truth(const std::string& key) const {
  const auto* values = find(key);
  if (values == nullptr) return std::nullopt;
  const std::string& text = values->front().text;
  check_kind(key, *values, values->size() == 1 && !values->front().is_text && (text == "true" || text == "false"),
             "true or false");
  return text == "true";
}

std::optional<std::vector<double>> JsonConfig::numbers(const std::string& key) const {
  const auto* values = find(key);
  if (values == nullptr) return std::nullopt;
  std::vector<double> list;
  for (const JsonValue& value : *values) {
    check_kind(key, *values, !value.is_text, "numbers");
    list.push_back(value.number);
  }
  return list;
}

std::optional<std::vector<std::int64_t>> JsonConfig::integers(const std::string& key) const {
  constexpr double kMost = 1e15;
  const auto list = numbers(key);
  if (!list) return std::nullopt;
  std::vector<std::int64_t> whole;
  for (const double value : *list) {
    check_kind(key, *find(key), value == std::floor(value) && std::abs(value) < kMost, "whole numbers");
    whole.push_back(static_cast<std::int64_t>(value));
  }
  return whole;
}

std::optional<std::array<float, 3>> JsonConfig::colours(const std::string& key) const {
  const auto list = numbers(key);
  if (!list) return std::nullopt;
  check_kind(key, *find(key), list->size() == 3, "three numbers");
  return std::array{static_cast<float>((*list)[0]), static_cast<float>((*list)[1]), static_cast<float>((*list)[2])};
}

std::optional<std::vector<std::string>> JsonConfig::texts(const std::string& key) const {
  const auto* values = find(key);
  if (values == nullptr) return std::nullopt;
  std::vector<std::string> list;
  for (const JsonValue& value : *values) list.push_back(value.text);
  return list;
}

std::optional<PictureSize> JsonConfig::size(const std::string& key) const {
  const auto list = numbers(key);
  if (!list || list->size() != 2) {
    const auto side = integer(key);
    return side ? std::optional(PictureSize(*side)) : std::nullopt;
  }
  constexpr double kMost = 1e6;
  const auto is_side = [](double value) { return value == std::floor(value) && value > 0 && value < kMost; };
  check_kind(key, *find(key), is_side(list->front()) && is_side(list->back()), "whole numbers");
  return PictureSize(static_cast<std::int64_t>(list->front()), static_cast<std::int64_t>(list->back()));
}

std::optional<std::int64_t> JsonConfig::side(const std::string& key) const {
  const auto sides = size(key);
  if (!sides) return std::nullopt;
  check(sides->is_square(), ErrorCode::kUnsupported, file_, ": ", prefix_, key, " is ", sides->height, " x ",
        sides->width, ", vitq computes squares");
  return sides->height;
}

std::optional<std::vector<std::string>> JsonConfig::numbered_texts(const std::string& key) const {
  std::vector<std::string> list;
  for (auto next = text(key + ".0"); next; next = text(key + '.' + std::to_string(list.size()))) {
    list.push_back(*std::move(next));
  }
  const auto below = json_.values.lower_bound(prefix_ + key + '.');
  const auto behind = json_.values.lower_bound(prefix_ + key + '/');  // '/' follows '.'
  const std::ptrdiff_t count = std::distance(below, behind);
  check(count == std::ssize(list), ErrorCode::kFormat, file_, ": ", prefix_, key, " has ", count,
        " labels, but none for class ", list.size());
  return list.empty() ? std::nullopt : std::optional(list);
}

void JsonConfig::check_same(const std::string& key, std::int64_t expected) const {
  const auto said = integer(key);
  check(!said || *said == expected, ErrorCode::kFormat, file_, ": ", prefix_, key, " is ", said.value_or(0),
        ", the tensors have ", expected, "; is it another model's?");
}

void JsonConfig::refuse(const std::string& key, std::string_view what) const {
  const auto* values = find(key);
  fail(ErrorCode::kUnsupported, file_, ": ", printable(prefix_ + key), " is ",
       values != nullptr ? printable(values->front().text) : "an object", ", vitq computes ", what);
}

const std::vector<JsonValue>* JsonConfig::find(const std::string& key) const {
  const auto found = json_.values.find(prefix_ + key);
  return found != json_.values.end() ? &found->second : nullptr;
}

void JsonConfig::check_kind(const std::string& key, const std::vector<JsonValue>& values, bool ok,
                            const char* expected) const {
  check(ok, ErrorCode::kFormat, file_, ": ", prefix_, key, " is ", printable(values.front().text), ", expected ",
        expected);
}

}  // namespace vitq
