#include "models/hub_folder.h"

#include <algorithm>
#include <string_view>
#include <vector>

#include "engine/error.h"

namespace vitq {
namespace fs = std::filesystem;
namespace {

struct WeightsName {
  std::string_view name;
  bool is_pickle = false;
};

// The first that is there counts.
constexpr WeightsName kNames[] = {
    {"model.safetensors"},       {"model.safetensors.index.json"},      {"open_clip_model.safetensors"},
    {"pytorch_model.bin", true}, {"open_clip_pytorch_model.bin", true},
};

constexpr std::string_view kDescriptions[] = {"config.json", "preprocessor_config.json", "processor_config.json",
                                              "open_clip_config.json"};

}  // namespace

std::optional<std::string> weights_among(const std::vector<std::string>& names) {
  for (const WeightsName& one : kNames) {
    if (std::ranges::find(names, one.name) != names.end()) return std::string(one.name);
  }
  return std::nullopt;
}

std::vector<std::string> descriptions_among(const std::vector<std::string>& names) {
  std::vector<std::string> found;
  for (const std::string_view one : kDescriptions) {
    if (std::ranges::find(names, one) != names.end()) found.emplace_back(one);
  }
  return found;
}

bool is_hub_weights(const fs::path& file) {
  return std::ranges::find(kNames, file.filename().string(), &WeightsName::name) != std::end(kNames);
}

bool is_open_clip_weights(const fs::path& file) { return file.filename().string().starts_with("open_clip_"); }

fs::path find_weights(const fs::path& folder, bool pickles) {
  std::error_code ignored;
  for (const auto& [name, is_pickle] : kNames) {
    fs::path file = folder / name;
    if (!fs::exists(file, ignored)) continue;
    check(pickles || !is_pickle, ErrorCode::kUnsupported, folder.string(), ": has ", name,
          " alone, a PyTorch file, expected ", kNames[0].name);
    return file;
  }
  fail(ErrorCode::kFile, folder.string(), ": is a folder without weights, expected ", kNames[0].name, " in it");
}

}  // namespace vitq
