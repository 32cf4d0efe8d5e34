#include "weights/flat_json.h"

#include <nlohmann/json.hpp>

namespace vitq {

namespace {

using Json = nlohmann::json;

/// Hears of each value as the parser comes by, and keeps no tree.
class Flattener final : public nlohmann::json_sax<Json> {
 public:
  explicit Flattener(FlatJson& flat) : flat_(flat) {}

  bool null() override { return true; }
  bool boolean(bool value) override { return add({.text = value ? "true" : "false"}); }
  bool number_integer(number_integer_t value) override {
    return add({.text = std::to_string(value), .number = static_cast<double>(value)});
  }
  bool number_unsigned(number_unsigned_t value) override {
    return add({.text = std::to_string(value), .number = static_cast<double>(value)});
  }
  bool number_float(number_float_t value, const string_t& text) override {
    return add({.text = text, .number = value});
  }
  bool string(string_t& value) override { return add({.is_text = true, .text = value}); }
  bool binary(binary_t& /*value*/) override { return false; }
  bool start_object(std::size_t /*size*/) override {
    if (names_.empty()) flat_.is_object = true;
    names_.emplace_back();
    return true;
  }
  bool key(string_t& name) override {
    names_.back() = name;
    return true;
  }
  bool end_object() override {
    names_.pop_back();
    return true;
  }
  bool start_array(std::size_t /*size*/) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(std::size_t /*at*/, const std::string& /*last*/, const Json::exception& /*why*/) override {
    return false;
  }

 private:
  bool add(JsonValue value) {
    std::string path;
    for (const std::string& name : names_) path += (path.empty() ? "" : ".") + name;
    flat_.values[path].push_back(std::move(value));
    return true;
  }

  FlatJson& flat_;
  std::vector<std::string> names_;
};

}  // namespace

std::optional<FlatJson> flatten_json(std::string_view text) {
  FlatJson flat;
  Flattener flattener(flat);
  if (!Json::sax_parse(text, &flattener)) return std::nullopt;
  return flat;
}

std::optional<std::vector<std::string>> json_texts(std::string_view text) {
  const auto json = flatten_json(text);
  if (!json || json->is_object) return std::nullopt;
  std::vector<std::string> texts;
  for (const auto& [path, values] : json->values) {
    for (const JsonValue& value : values) {
      if (!path.empty() || !value.is_text) return std::nullopt;
      texts.push_back(value.text);
    }
  }
  return texts;
}

}  // namespace vitq
