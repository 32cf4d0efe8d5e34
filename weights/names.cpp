#include "weights/names.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include "engine/error.h"
#include "weights/printable.h"

namespace vitq {
namespace {

/// How many leading characters all names share that only say how the model was wrapped.
std::size_t wrapper_length(const std::vector<std::string>& names) {
  std::size_t length = 0;
  for (bool found = !names.empty(); found;) {
    found = false;
    for (const std::string_view wrapper : {"module.", "model."}) {
      const auto wrapped = [&](const std::string& name) {
        return name.size() > length + wrapper.size() && std::string_view(name).substr(length).starts_with(wrapper);
      };
      if (std::all_of(names.begin(), names.end(), wrapped)) {
        length += wrapper.size();
        found = true;
      }
    }
  }
  return length;
}

bool is_buffer(std::string_view name) {
  const std::string_view last = name.substr(name.rfind('.') + 1);  // npos + 1 == 0: the whole name
  return last == "relative_position_index" || last == "attn_mask";
}

/// layers.S.downsample.REST -> layers.(S+1).downsample.REST; any other name stays.
std::string with_downsample_in_next_stage(std::string_view name) {
  constexpr std::string_view kLayers = "layers.";
  if (!name.starts_with(kLayers)) return std::string(name);
  const char* digits = name.data() + kLayers.size();
  int stage = 0;
  const auto [end, error] = std::from_chars(digits, name.data() + name.size(), stage);
  const std::string_view rest = name.substr(static_cast<std::size_t>(end - name.data()));
  if (error != std::errc() || stage < 0 || stage > 1000 || !rest.starts_with(".downsample.")) return std::string(name);
  return std::string(kLayers).append(std::to_string(stage + 1)).append(rest);
}

}  // namespace

std::map<std::string, std::string> canonical_names(const std::vector<std::string>& published) {
  const std::size_t skipped = wrapper_length(published);
  bool is_swin = false;
  bool downsample_ends_stage = false;
  for (const std::string& full : published) {
    const std::string_view name = std::string_view(full).substr(skipped);
    is_swin |= name.starts_with("layers.");
    downsample_ends_stage |= name.starts_with("layers.0.downsample.");
  }

  std::map<std::string, std::string> canonical;
  for (const std::string& full : published) {
    std::string name = full.substr(skipped);
    if (is_buffer(name)) continue;
    if (downsample_ends_stage) name = with_downsample_in_next_stage(name);
    if (is_swin && (name == "head.weight" || name == "head.bias")) name.insert(sizeof("head") - 1, ".fc");
    const auto [entry, is_new] = canonical.try_emplace(name, full);
    check(is_new, ErrorCode::kFormat, "tensors ", printable(entry->second), " and ", printable(full), " are both ",
          printable(name), "; the file mixes two namings");
  }
  return canonical;
}

}  // namespace vitq
