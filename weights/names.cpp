#include "weights/names.h"

#include <algorithm>
#include <cstdint>
#include <string_view>

#include "engine/error.h"
#include "weights/name_pattern.h"
#include "weights/printable.h"

namespace vitq {
namespace {

/// A model among the names of a file.
struct Found {
  std::string wrapper;
  const Naming* naming = nullptr;
};

/// The wrapper without its last word: "" for "vit.", "visual." for "visual.trunk.".
std::string_view around(std::string_view wrapper) {
  if (wrapper.empty()) return wrapper;
  const std::size_t dot = wrapper.rfind('.', wrapper.size() - 2);
  return dot == std::string_view::npos ? std::string_view() : wrapper.substr(0, dot + 1);
}

/// Whether one of `sorted` begins with both, one behind the other.
bool any_begins(const std::vector<std::string_view>& sorted, std::string_view prefix, std::string_view more) {
  const std::string begin = std::string(prefix).append(more);
  const auto found = std::ranges::lower_bound(sorted, begin);
  return found != sorted.end() && found->starts_with(begin);
}

bool fits(const Naming& naming, std::string_view wrapper, const std::vector<std::string_view>& sorted) {
  return wrapper.ends_with(naming.under) && any_begins(sorted, wrapper, naming.needs) &&
         any_begins(sorted, around(wrapper), naming.beside_it);
}

/// Every model of the file: each anchor that stands there as whole words, with the first naming that it fits.
std::vector<Found> find_models(const std::vector<std::string>& names) {
  std::vector<std::string_view> sorted(names.begin(), names.end());
  std::ranges::sort(sorted);
  std::map<std::string, const Naming*> found;
  for (const std::string_view name : names) {
    for (const Naming& naming : namings()) {
      if (!name.ends_with(naming.anchor)) continue;
      const std::string_view wrapper = name.substr(0, name.size() - naming.anchor.size());
      if ((!wrapper.empty() && !wrapper.ends_with('.')) || !fits(naming, wrapper, sorted)) continue;
      found.emplace(wrapper, &naming);
      break;
    }
  }
  std::vector<Found> models;
  models.reserve(found.size());
  for (const auto& [wrapper, naming] : found) models.push_back({wrapper, naming});
  return models;
}

Found choose_model(const std::vector<std::string>& names, const std::optional<std::string>& wanted) {
  const std::vector<Found> models = find_models(names);
  std::string list;
  for (const Found& model : models) {
    list += (list.empty() ? "" : ", ") + (model.wrapper.empty() ? "the top" : printable(model.wrapper));
  }
  if (wanted) {
    const auto chosen = std::ranges::find(models, *wanted, &Found::wrapper);
    check(chosen != models.end(), ErrorCode::kFormat, "no model stands under ", printable(*wanted), "; found ",
          list.empty() ? "none" : list);
    return *chosen;
  }
  if (models.size() > 1) {
    throw SeveralModels(ErrorCode::kFormat,
                        text_of("holds ", models.size(), " models, under ", list, ", expected one"));
  }
  return models.empty() ? Found() : models.front();
}

bool is_buffer(std::string_view name) {
  const std::string_view last = name.substr(name.rfind('.') + 1);  // npos + 1 == 0: the whole name
  constexpr std::string_view kBuffers[] = {"relative_position_index", "attn_mask", "relative_coords_table",
                                           "position_ids"};
  return std::ranges::find(kBuffers, last) != std::end(kBuffers);
}

/// What only training needs, and recipes keep among the model's own tensors. Everything else that is not known stays,
/// for the model to refuse: it may be a part of a pass that vitq does not compute.
bool is_of_training(std::string_view name) {
  constexpr std::string_view kParts[] = {"criterion", "loss",       "loss_fn", "losses",    "queue",     "queue_ptr",
                                         "center",    "mask_token", "ema",     "optimizer", "projector", "predictor"};
  const std::string_view part = name.substr(0, name.find('.'));
  return std::ranges::find(kParts, part) != std::end(kParts) || part.starts_with("decoder");
}

/// In what company a share can be, and its place there.
struct Place {
  enum class Kind : std::uint8_t { kAlone, kQkv, kGated, kSum } kind;
  int index;
};

Place place_of(Share share) {
  switch (share) {
    case Share::kQuery:
      return {Place::Kind::kQkv, 0};
    case Share::kKey:
      return {Place::Kind::kQkv, 1};
    case Share::kValue:
      return {Place::Kind::kQkv, 2};
    case Share::kGate:
      return {Place::Kind::kGated, 0};
    case Share::kUp:
      return {Place::Kind::kGated, 1};
    case Share::kWhole:
      return {Place::Kind::kSum, 0};
    case Share::kPositionAdded:
      return {Place::Kind::kSum, 1};
    default:
      return {Place::Kind::kAlone, 0};
  }
}

void add(SortedNames& sorted, const std::string& canonical, const Portion& portion) {
  Portions& portions = sorted.tensors[canonical];
  const Place place = place_of(portion.share);
  for (const Portion& other : portions) {
    const Place taken = place_of(other.share);
    check(place.kind == taken.kind && place.kind != Place::Kind::kAlone && place.index != taken.index,
          ErrorCode::kFormat, "tensors ", printable(other.published), " and ", printable(portion.published),
          " are both ", printable(canonical), "; the file mixes two namings");
  }
  const auto behind =
      std::ranges::find_if(portions, [&](const Portion& other) { return place_of(other.share).index > place.index; });
  portions.insert(behind, portion);
}

/// Only the bias of keys may be missing: attention does not feel one.
void check_complete(const std::string& canonical, const Portions& portions) {
  const Place::Kind kind = place_of(portions.front().share).kind;
  const auto has = [&](Share share) { return std::ranges::find(portions, share, &Portion::share) != portions.end(); };
  const auto expect = [&](Share share, std::string_view what) {
    check(has(share), ErrorCode::kFormat, "of ", printable(canonical), " the ", what, " is missing: found ",
          printable(portions.front().published), portions.size() > 1 ? " and " : "",
          portions.size() > 1 ? printable(portions.back().published) : "");
  };
  if (kind == Place::Kind::kQkv) {
    expect(Share::kQuery, "query");
    if (!canonical.ends_with(".bias")) expect(Share::kKey, "key");
    expect(Share::kValue, "value");
  } else if (kind == Place::Kind::kGated) {
    expect(Share::kGate, "gate");
    expect(Share::kUp, "half that is gated");
  } else if (kind == Place::Kind::kSum) {
    expect(Share::kWhole, "tensor itself");
  }
}

/// Does with `name`, which is `full` without what stands before, what the rules say; false: none fits.
bool apply(Rules rules, std::string_view name, const std::string& full, SortedNames& sorted) {
  bool fits = false;
  for (const Rule& rule : rules) {
    const auto matched = match_name(name, rule.published);
    if (!matched) continue;
    if (rule.canonical.empty()) {
      sorted.left_behind.push_back(full);
    } else {
      add(sorted, canonical_name(rule.canonical, *matched), {full, rule.share});
    }
    fits = true;
  }
  return fits;
}

}  // namespace

SortedNames sort_names(const std::vector<std::string>& published, const std::optional<std::string>& wrapper) {
  SortedNames sorted;
  const Found model = choose_model(published, wrapper);
  sorted.wrapper = model.wrapper;
  static constexpr Naming kNobodys;
  const Naming& naming = model.naming != nullptr ? *model.naming : kNobodys;
  sorted.who = naming.who;
  const std::string_view outside = around(sorted.wrapper);
  for (const std::string& full : published) {
    const std::string_view whole = full;
    const bool is_under = whole.starts_with(sorted.wrapper);
    const std::string_view name = is_under ? whole.substr(sorted.wrapper.size()) : std::string_view();
    const auto rename = [&] {
      return (is_under && (apply(naming.tower, name, full, sorted) || apply(naming.more, name, full, sorted))) ||
             (whole.starts_with(outside) && apply(naming.beside, whole.substr(outside.size()), full, sorted));
    };
    if (is_under && is_buffer(name)) {
      sorted.buffers.try_emplace(std::string(name), full);
      continue;
    }
    const bool is_needless = is_under && is_of_training(name);
    if (!is_needless && rename()) continue;
    if (is_under && !is_needless) {
      add(sorted, std::string(name), {full, Share::kWhole});
    } else {
      sorted.left_behind.push_back(full);
    }
  }
  for (const auto& [name, portions] : sorted.tensors) check_complete(name, portions);
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
  struct Known {
    std::string_view part;  ///< of a name
    std::string_view what;
  };
  // The first that fits counts.
  constexpr Known kKnown[] = {
      {"lora_", "these are the weights of an adapter (LoRA), which belong to a model of their own: merge them into it"},
      {"conv_proj.weight", "these are torchvision's names"},
      {"encoder.layers.encoder_layer_", "these are torchvision's names"},
      {"embeddings.patch_embeddings.",
       "these are the names of Hugging Face's transformers, but of no ViT that vitq knows"},
      {"vision_model.", "these are the names of a part of a CLIP or SigLIP of Hugging Face's transformers"},
      {"visual.", "these are the names of a CLIP of OpenAI or open_clip whose picture tower is no ViT"},
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
  if (std::ranges::find(published, "patch_embed.proj.weight") != published.end()) {
    const auto of_blocks = std::ranges::find_if(
        published, [](std::string_view name) { return name.starts_with("blocks.") || name.starts_with("layers."); });
    const std::string& found = of_blocks != published.end() ? *of_blocks : published.front();
    return "is of no architecture that vitq computes: found " + printable(found);
  }
  constexpr std::string_view kExpected =
      ", expected the names of timm (patch_embed.proj.weight), transformers, open_clip, Meta's or Microsoft's";
  for (const Known& known : kKnown) {
    const auto found = std::ranges::find_if(
        published, [&](const std::string& name) { return name.find(known.part) != std::string::npos; });
    if (found == published.end()) continue;
    return std::string(known.what) + ": found " + printable(*found) + std::string(kExpected);
  }
  return "no tensor patch_embed.proj.weight: found " + printable(published.front()) + std::string(kExpected);
}

}  // namespace vitq
