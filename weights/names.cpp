#include "weights/names.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <string_view>

#include "engine/error.h"
#include "weights/printable.h"

namespace vitq {
namespace {

constexpr std::string_view kAnchor = "patch_embed.proj.weight";  // every model of timm has it

/// What stands before the anchor, wherever it occurs as whole words.
std::set<std::string> wrappers(const std::vector<std::string>& names) {
  std::set<std::string> found;
  for (const std::string_view name : names) {
    if (!name.ends_with(kAnchor)) continue;
    const std::string_view before = name.substr(0, name.size() - kAnchor.size());
    if (before.empty() || before.ends_with('.')) found.emplace(before);
  }
  return found;
}

std::string find_wrapper(const std::vector<std::string>& names, const std::optional<std::string>& wanted) {
  const std::set<std::string> found = wrappers(names);
  std::string list;
  for (const std::string& wrapper : found) {
    list += (list.empty() ? "" : ", ") + (wrapper.empty() ? "the top" : printable(wrapper));
  }
  if (wanted) {
    check(found.contains(*wanted), ErrorCode::kFormat, "no model stands under ", printable(*wanted), "; found ",
          list.empty() ? "none" : list);
    return *wanted;
  }
  if (found.size() > 1) {
    throw SeveralModels(ErrorCode::kFormat, text_of("holds ", found.size(), " models, under ", list, ", expected one"));
  }
  return found.empty() ? "" : *found.begin();
}

bool is_buffer(std::string_view name) {
  const std::string_view last = name.substr(name.rfind('.') + 1);  // npos + 1 == 0: the whole name
  return last == "relative_position_index" || last == "attn_mask";
}

/// What only training needs, and recipes keep among the model's own tensors. Everything else that is not known stays,
/// for the model to refuse: it may be a part of a pass that vitq does not compute.
bool is_of_training(std::string_view name) {
  constexpr std::string_view kParts[] = {"criterion", "loss",       "loss_fn", "losses",    "queue",     "queue_ptr",
                                         "center",    "mask_token", "ema",     "optimizer", "projector", "predictor"};
  const std::string_view part = name.substr(0, name.find('.'));
  return std::ranges::find(kParts, part) != std::end(kParts) || part.starts_with("decoder");
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

SortedNames sort_names(const std::vector<std::string>& published, const std::optional<std::string>& wrapper) {
  SortedNames sorted;
  sorted.wrapper = find_wrapper(published, wrapper);
  std::vector<std::string> own;
  for (const std::string& full : published)
    (full.starts_with(sorted.wrapper) ? own : sorted.left_behind).push_back(full);
  bool is_swin = false;
  bool downsample_ends_stage = false;
  for (const std::string& full : own) {
    const std::string_view name = std::string_view(full).substr(sorted.wrapper.size());
    is_swin |= name.starts_with("layers.");
    downsample_ends_stage |= name.starts_with("layers.0.downsample.");
  }
  for (const std::string& full : own) {
    std::string name = full.substr(sorted.wrapper.size());
    if (is_of_training(name)) {
      sorted.left_behind.push_back(full);
      continue;
    }
    if (is_buffer(name)) {
      sorted.buffers.try_emplace(name, full);
      continue;
    }
    if (downsample_ends_stage) name = with_downsample_in_next_stage(name);
    if (is_swin && (name == "head.weight" || name == "head.bias")) name.insert(sizeof("head") - 1, ".fc");
    const auto [entry, is_new] = sorted.tensors.try_emplace(name, full);
    check(is_new, ErrorCode::kFormat, "tensors ", printable(entry->second), " and ", printable(full), " are both ",
          printable(name), "; the file mixes two namings");
  }
  return sorted;
}

SortedNames sort_names_of(const std::string& source, const std::vector<std::string>& published,
                          const std::optional<std::string>& wrapper) {
  try {
    return sort_names(published, wrapper);
  } catch (const SeveralModels& several) {
    throw SeveralModels(several.code(), source + ": " + several.what());
  } catch (const Error& error) {
    fail(error.code(), source, ": ", error.what());
  }
}

std::string explain_names(const std::vector<std::string>& published) {
  struct Naming {
    std::string_view part;  ///< of a name
    std::string_view what;
  };
  // The first that fits counts.
  constexpr Naming kNamings[] = {
      {"lora_", "these are the weights of an adapter (LoRA), which belong to a model of their own: merge them into it"},
      {"conv_proj.weight", "these are torchvision's names"},
      {"encoder.layers.encoder_layer_", "these are torchvision's names"},
      {"embeddings.patch_embeddings.", "these are the names of Hugging Face's transformers"},
      {"vision_model.", "these are the names of a CLIP or SigLIP of Hugging Face's transformers"},
      {"visual.", "these are the names of a CLIP of OpenAI or open_clip"},
      {"word_embeddings.weight", "this is a language model"},
      {"embed_tokens.weight", "this is a language model"},
      {"wte.weight", "this is a language model"},
      {"layer1.0.conv1.weight", "this is a ResNet"},
      {"downsample_layers.", "this is a ConvNeXt"},
      {"features.", "this is a convolutional network"},
      {"down_blocks.", "this is a diffusion model"},
      {"patch_embed", "these are the names of timm, DeiT or Swin, but the patch embedding is of another make"},
      {"blocks.", "the blocks of a model without its patch embedding: perhaps one part of several"},
      {"layers.", "the layers of a model without its patch embedding: perhaps one part of several"},
  };
  if (published.empty()) return "there are no tensors in it";
  constexpr std::string_view kExpected = ", expected the names of timm, DeiT or Swin (patch_embed.proj.weight)";
  for (const Naming& naming : kNamings) {
    const auto found = std::ranges::find_if(
        published, [&](const std::string& name) { return name.find(naming.part) != std::string::npos; });
    if (found == published.end()) continue;
    return std::string(naming.what) + ": found " + printable(*found) + std::string(kExpected);
  }
  return "no tensor " + std::string(kAnchor) + ": found " + printable(published.front()) + std::string(kExpected);
}

}  // namespace vitq
