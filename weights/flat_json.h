#pragma once
// JSON as a table. A tree of a JSON library's own cannot be thrown away without memory, and this library never ends the
// program for the want of some.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vitq {

struct JsonValue {
  bool is_text = false;
  std::string text;   ///< of a text; of a number or truth as JSON writes it
  double number = 0;  ///< of a number
};

struct FlatJson {
  bool is_object = false;  ///< at the top; else an array or a single value
  /// Every value under the names that lead to it, with dots between ("pretrained_cfg.mean"); the values of an array one
  /// after the other under its name. null is left out.
  std::map<std::string, std::vector<JsonValue>> values = {};
};

/// Nothing where `text` is no JSON.
std::optional<FlatJson> flatten_json(std::string_view text);

/// The texts of a JSON array of them; nothing where `text` is no such array.
std::optional<std::vector<std::string>> json_texts(std::string_view text);

}  // namespace vitq
