#include "models/hub_config.h"

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/error.h"

namespace vitq {

namespace {

using Json = nlohmann::json;

// A config.json, or a part of it: reads values by key, and tells of what is no such value.
class Section {
 public:
  Section(const Json& json, std::string file) : json_(json), file_(std::move(file)) {}

  template <class T>
  [[nodiscard]] std::optional<T> get(const char* key) const {
    const auto found = json_.find(key);
    if (found == json_.end() || found->is_null()) return std::nullopt;
    try {
      return found->template get<T>();
    } catch (const Json::exception&) {
      fail(ErrorCode::kFormat, file_, ": ", key, " is ", found->dump().substr(0, 40), ", which it cannot be");
    }
  }

  [[nodiscard]] const std::string& file() const { return file_; }

 private:
  const Json& json_;
  std::string file_;
};

void check_same(const Section& config, const char* key, std::int64_t expected) {
  const auto said = config.get<std::int64_t>(key);
  check(!said || *said == expected, ErrorCode::kFormat, config.file(), ": ", key, " is ", said.value_or(0),
        ", the tensors have ", expected, "; is it another model's?");
}

// transformers: labels by number.
std::optional<std::vector<std::string>> labels_of(const Section& config) {
  const auto by_number = config.get<std::map<std::string, std::string>>("id2label");
  if (!by_number) return std::nullopt;
  std::vector<std::string> labels(by_number->size());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto label = by_number->find(std::to_string(i));
    check(label != by_number->end(), ErrorCode::kFormat, config.file(), ": id2label has ", labels.size(),
          " labels, but none for class ", i);
    labels[i] = label->second;
  }
  return labels;
}

void read_timm(const Section& config, Stated& says) {
  if (const auto size = config.get<std::vector<std::int64_t>>("input_size"); size && size->size() == 3) {
    says.image_size = size->back();
  }
  says.mean = config.get<std::array<float, 3>>("mean");
  says.std = config.get<std::array<float, 3>>("std");
  says.crop_pct = config.get<double>("crop_pct");
  says.interpolation = config.get<std::string>("interpolation");
}

}  // namespace

std::optional<Stated> stated_by_hub_config(const Checkpoint& checkpoint, const ModelConfig& shapes) {
  const std::filesystem::path file(checkpoint.source());
  const std::filesystem::path path = file.parent_path() / "config.json";
  std::ifstream stream(path);
  if (file.filename() != "model.safetensors" || !stream) return std::nullopt;
  const Json json = Json::parse(stream, nullptr, false);
  check(json.is_object(), ErrorCode::kFormat, path.string(), ": is no JSON object, expected the model's configuration");
  const Section config(json, path.string());
  check_same(config, "hidden_size", shapes.stages().front().dim);
  check_same(config, "num_hidden_layers", shapes.stages().front().depth);
  Stated says;
  says.name = config.get<std::string>("architecture");
  says.heads = config.get<std::int64_t>("num_attention_heads");
  says.eps = config.get<double>("layer_norm_eps");
  says.activation = config.get<std::string>("hidden_act");
  says.pool = config.get<std::string>("global_pool");
  says.classes = labels_of(config);
  if (!says.classes) says.classes = config.get<std::vector<std::string>>("label_names");
  if (const auto pretrained = json.find("pretrained_cfg"); pretrained != json.end() && pretrained->is_object()) {
    read_timm(Section(*pretrained, path.string()), says);
  } else {
    says.image_size = config.get<std::int64_t>("image_size");
  }
  return says;
}

}  // namespace vitq
