#include "models/hub_config.h"

#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "engine/error.h"
#include "weights/flat_json.h"
#include "weights/printable.h"

namespace vitq {

namespace {

// A config.json: reads values by key, and tells of what is no such value.
class Config {
 public:
  Config(FlatJson json, std::string file) : json_(std::move(json)), file_(std::move(file)) {}

  [[nodiscard]] std::optional<std::string> text(const std::string& key) const {
    const auto* values = find(key);
    if (values == nullptr) return std::nullopt;
    check_kind(key, *values, values->size() == 1 && values->front().is_text, "a text");
    return values->front().text;
  }

  [[nodiscard]] std::optional<double> number(const std::string& key) const {
    const auto list = numbers(key);
    if (!list) return std::nullopt;
    check_kind(key, *find(key), list->size() == 1, "a number");
    return list->front();
  }

  [[nodiscard]] std::optional<std::int64_t> integer(const std::string& key) const {
    constexpr double kMost = 1e15;
    const auto value = number(key);
    if (!value) return std::nullopt;
    check_kind(key, *find(key), *value == std::floor(*value) && std::abs(*value) < kMost, "a whole number");
    return static_cast<std::int64_t>(*value);
  }

  [[nodiscard]] std::optional<std::vector<double>> numbers(const std::string& key) const {
    const auto* values = find(key);
    if (values == nullptr) return std::nullopt;
    std::vector<double> list;
    for (const JsonValue& value : *values) {
      check_kind(key, *values, !value.is_text, "numbers");
      list.push_back(value.number);
    }
    return list;
  }

  [[nodiscard]] std::optional<std::array<float, 3>> colours(const std::string& key) const {
    const auto list = numbers(key);
    if (!list) return std::nullopt;
    check_kind(key, *find(key), list->size() == 3, "three numbers");
    return std::array{static_cast<float>((*list)[0]), static_cast<float>((*list)[1]), static_cast<float>((*list)[2])};
  }

  [[nodiscard]] std::optional<std::vector<std::string>> texts(const std::string& key) const {
    const auto* values = find(key);
    if (values == nullptr) return std::nullopt;
    std::vector<std::string> list;
    for (const JsonValue& value : *values) list.push_back(value.text);
    return list;
  }

  /// The texts of an object whose keys are 0, 1, 2, ...
  [[nodiscard]] std::optional<std::vector<std::string>> numbered_texts(const std::string& key) const {
    std::vector<std::string> list;
    for (auto next = text(key + ".0"); next; next = text(key + '.' + std::to_string(list.size()))) {
      list.push_back(*std::move(next));
    }
    const auto below = json_.values.lower_bound(key + '.');
    const auto behind = json_.values.lower_bound(key + '/');  // '/' follows '.'
    const std::ptrdiff_t count = std::distance(below, behind);
    check(count == std::ssize(list), ErrorCode::kFormat, file_, ": ", key, " has ", count,
          " labels, but none for class ", list.size());
    return list.empty() ? std::nullopt : std::optional(list);
  }

  void check_same(const std::string& key, std::int64_t expected) const {
    const auto said = integer(key);
    check(!said || *said == expected, ErrorCode::kFormat, file_, ": ", key, " is ", said.value_or(0),
          ", the tensors have ", expected, "; is it another model's?");
  }

 private:
  [[nodiscard]] const std::vector<JsonValue>* find(const std::string& key) const {
    const auto found = json_.values.find(key);
    return found != json_.values.end() ? &found->second : nullptr;
  }

  void check_kind(const std::string& key, const std::vector<JsonValue>& values, bool ok, const char* expected) const {
    check(ok, ErrorCode::kFormat, file_, ": ", key, " is ", printable(values.front().text), ", expected ", expected);
  }

  FlatJson json_;
  std::string file_;
};

}  // namespace

std::optional<Stated> stated_by_hub_config(const Checkpoint& checkpoint, const ModelConfig& shapes) {
  const std::filesystem::path file(checkpoint.source());
  if (file.filename() != "model.safetensors") return std::nullopt;
  const std::filesystem::path path = file.parent_path() / "config.json";
  std::ifstream stream(path);
  if (!stream) return std::nullopt;
  const std::string text{std::istreambuf_iterator<char>(stream), {}};
  auto json = flatten_json(text);
  check(json && json->is_object, ErrorCode::kFormat, path.string(),
        ": is no JSON object, expected the model's configuration");
  const Config config(*std::move(json), path.string());
  config.check_same("hidden_size", shapes.stages().front().dim);
  config.check_same("num_hidden_layers", shapes.stages().front().depth);
  Stated says{.name = config.text("architecture"),
              .image_size = config.integer("image_size"),
              .heads = config.integer("num_attention_heads"),
              .eps = config.number("layer_norm_eps"),
              .activation = config.text("hidden_act"),
              .pool = config.text("global_pool"),
              .mean = config.colours("pretrained_cfg.mean"),
              .std = config.colours("pretrained_cfg.std"),
              .crop_pct = config.number("pretrained_cfg.crop_pct"),
              .interpolation = config.text("pretrained_cfg.interpolation"),
              .classes = config.numbered_texts("id2label")};
  if (!says.classes) says.classes = config.texts("label_names");
  if (const auto size = config.numbers("pretrained_cfg.input_size"); size && size->size() == 3) {
    says.image_size = static_cast<std::int64_t>(size->back());
  }
  return says;
}

}  // namespace vitq
