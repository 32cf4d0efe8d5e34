#include "models/describe.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <iterator>
#include <locale>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>

#include "engine/error.h"
#include "models/config_parts.h"
#include "models/hub_config.h"
#include "models/hub_folder.h"
#include "models/hub_id.h"
#include "models/imagenet_classes.h"
#include "models/metadata.h"
#include "models/model_home.h"
#include "models/statements.h"
#include "models/words.h"
#include "models/zoo.h"
#include "weights/artifact.h"
#include "weights/printable.h"

namespace vitq {

namespace {

std::string stem_of(const Checkpoint& checkpoint) { return std::filesystem::path(checkpoint.source()).stem().string(); }

// ", is this deit_b?" material: the zoo name of what the checkpoint looks like, if it looks like anything.
std::string hint(const Checkpoint& checkpoint) {
  try {
    const ZooEntry* entry = match_zoo(describe(checkpoint).config, stem_of(checkpoint));
    return entry != nullptr ? "is this " + std::string(entry->name) + "?" : "";
  } catch (const Error&) {
    return "";  // the hint is a courtesy; the error it belongs to says what is wrong
  }
}

/// "a,b,c", numbers as in C, by default with enough digits to read the same float back.
std::string joined(const auto& values, int digits = 9) {
  std::ostringstream text;
  text.imbue(std::locale::classic());
  text.precision(digits);
  const char* separator = "";
  for (const auto& value : values) text << std::exchange(separator, ",") << value;
  return text.str();
}

std::string shown(const auto& values) { return joined(values, 6); }

/// Writes down who says what, as it is asked.
class Inquiry {
 public:
  Inquiry(const Checkpoint& checkpoint, const Statements& statements, Facts& facts)
      : checkpoint_(checkpoint), statements_(statements), facts_(facts) {}

  template <class T>
  std::optional<T> ask(std::optional<T> Stated::*field, std::string_view what) {
    return note(statements_.find(field, what), what);
  }

  PictureSize resize(PictureSize image_size) {
    return note(statements_.find_resize(checkpoint_, image_size), "resize").value_or(0);
  }

  void tensors_show(std::string_view what, const std::string& value) {
    facts_.push_back({std::string(what), value, Source::kTensors, "tensors"});
  }

 private:
  template <class T>
  std::optional<T> note(const std::optional<Said<T>>& said, std::string_view what) {
    if (!said) return std::nullopt;
    facts_.push_back({std::string(what), text_for(said->value), said->source, said->from});
    return said->value;
  }

  static std::string text_for(const std::string& value) { return value; }
  static std::string text_for(PictureSize value) { return to_string(value); }
  static std::string text_for(const std::array<float, 3>& value) { return shown(value); }
  static std::string text_for(const std::vector<std::string>& value) {
    return value.empty() ? "" : value.front() + " ... " + value.back();
  }
  static std::string text_for(const std::vector<std::int64_t>& value) { return value.empty() ? "none" : shown(value); }
  template <class Number>
  static std::string text_for(Number value) {
    return shown(std::array{value});
  }

  const Checkpoint& checkpoint_;
  const Statements& statements_;
  Facts& facts_;
};

// A value that vitq has one kind of, so far.
void check_one_of(const std::optional<std::string>& value, std::string_view what,
                  std::initializer_list<std::string_view> known, const Checkpoint& checkpoint) {
  if (!value || std::ranges::find(known, *value) != known.end()) return;
  std::string list;
  for (const std::string_view one : known) list.append(list.empty() ? "" : " or ").append(one);
  fail(ErrorCode::kUnsupported, checkpoint.source(), ": ", what, " is ", printable(*value), ", vitq computes ", list);
}

// The kind that a word names, by one of the functions of words.h.
template <class Kind>
Kind kind_named(std::optional<Kind> (*named)(std::string_view), const std::optional<std::string>& word,
                std::string_view what, const std::string& known, const Checkpoint& checkpoint) {
  const auto kind = word ? named(*word) : std::nullopt;
  check(kind.has_value(), ErrorCode::kUnsupported, checkpoint.source(), ": ", what, " is ",
        printable(word.value_or("?")), ", vitq computes ", known);
  return *kind;
}

// Whether the tensors leave open what the head takes: a class token, or the mean of the patches.
void settle_pool(const Checkpoint& checkpoint, const std::optional<std::string>& word, ModelConfig& config) {
  auto* vit = std::get_if<VitConfig>(&config.body);
  const Pool shown = config.head().pool;
  if (vit == nullptr || vit->distillation_token || vit->pool == Pool::kAttention || vit->pool == Pool::kClassAndMean) {
    check_one_of(word, "pool", {name_of(shown)}, checkpoint);
    return;
  }
  const Pool pool = kind_named(pool_named, word, "pool", all_pools(), checkpoint);
  const bool is_mean = pool == Pool::kMean || pool == Pool::kMeanAndMost;
  const bool is_token = pool == Pool::kClassToken && vit->class_token && !vit->fc_norm;
  check(is_mean || is_token, ErrorCode::kUnsupported, checkpoint.source(), ": pool is ", printable(*word),
        ", the tensors are of one that is ", name_of(shown));
  vit->pool = pool;
}

// Whether what stands behind the pool makes classes or an embedding.
void settle_head(const Checkpoint& checkpoint, const std::optional<std::string>& word, ModelConfig& config) {
  check_one_of(word, "head", {"classes", "projection"}, checkpoint);
  if (word != "projection") return;
  config.projection = std::exchange(config.classes, 0);
}

void settle_vit(const Checkpoint& checkpoint, Inquiry& inquiry, VitConfig& vit) {
  const auto heads = inquiry.ask(&Stated::heads, "heads");
  check(heads.has_value(), ErrorCode::kFormat, checkpoint.source(), ": nothing tells how many heads a width of ",
        vit.blocks.dim, " is divided into, expected it stated");
  vit.blocks.heads = *heads;
  const auto activation = inquiry.ask(&Stated::activation, "activation");
  vit.blocks.activation = kind_named(activation_named, activation, "activation", all_activations(), checkpoint);
  vit.rope = kind_named(rope_named, inquiry.ask(&Stated::rope, "rope"), "rope", all_ropes(), checkpoint);
}

// For which patches positions are stored: what the tensors show where that is a square, unless a file states another of
// as many; else those of the picture.
void settle_positions(const Checkpoint& checkpoint, Inquiry& inquiry, PictureSize shown, ModelConfig& config) {
  VitConfig& vit = config.vit();
  ModelConfig trained = config;
  trained.image_size = shown;
  const auto stated = vit.positions ? inquiry.ask(&Stated::trained_size, "trained_size") : std::nullopt;
  if (vit.positions && !stated && shown.pixels() > 0) {
    const std::int64_t patches = trained.grid().count();
    const bool may_be_of_picture = vit.prefix_tokens() > 0 && config.grid() != trained.grid() &&
                                   patches == config.grid().count() + vit.prefix_tokens();
    check(vit.prefix_positions || !may_be_of_picture, ErrorCode::kFormat, checkpoint.source(), ": pos_embed has ",
          patches, " tokens, which may be the patches of ", to_string(shown), " pixels, or those of ",
          to_string(config.image_size), " and ", vit.prefix_tokens(), " more; expected trained_size stated");
  } else if (vit.positions) {
    trained.image_size = stated.value_or(config.image_size);
    const std::int64_t rows = dimension(checkpoint, "pos_embed", 3, 1);
    const std::int64_t patches = trained.grid().count();
    vit.prefix_positions = rows == patches + vit.prefix_tokens();
    check(vit.prefix_positions || rows == patches, ErrorCode::kFormat, checkpoint.source(), ": pos_embed has ", rows,
          " tokens, expected the ", patches, " patches of ", to_string(trained.image_size), " pixels and ",
          vit.prefix_tokens(), " more, or none; is that their size (image_size, trained_size)?");
  }
  if (trained.grid().count() > 0 && trained.grid() != config.grid()) vit.position_grid = trained.grid();
  if (!vit.positions) return;
  const auto filter = inquiry.ask(&Stated::position_filter, "position_filter");
  vit.position_filter = kind_named(position_filter_named, filter.value_or("antialiased"), "position_filter",
                                   all_position_filters(), checkpoint);
}

// The windows of a Swin V2 show in no tensor.
void settle_windows(const Checkpoint& checkpoint, Inquiry& inquiry, SwinConfig& swin) {
  const auto window = inquiry.ask(&Stated::window, "window");
  if (!swin.is_v2()) {
    check(!window || *window == swin.window, ErrorCode::kUnsupported, checkpoint.source(), ": window is ",
          window.value_or(0), ", the tables of relative positions are of ", swin.window);
    return;
  }
  check(window.has_value(), ErrorCode::kFormat, checkpoint.source(),
        ": nothing tells how many tokens a side the windows of this Swin V2 have, expected it stated (window)");
  swin.window = *window;
  auto trained = inquiry.ask(&Stated::trained_windows, "trained_windows").value_or(std::vector<std::int64_t>());
  // One way to say that there are none.
  if (std::ranges::all_of(trained, [](std::int64_t one) { return one == 0; })) trained.clear();
  swin.trained_windows = std::move(trained);
}

// Fills in what the shapes leave open.
void settle_config(const Checkpoint& checkpoint, Inquiry& inquiry, ModelConfig& config) {
  const PictureSize shown = config.image_size;  // of a square of patches; 0: there is none
  config.image_size = inquiry.ask(&Stated::image_size, "image_size").value_or(shown);
  auto* vit = std::get_if<VitConfig>(&config.body);
  if (vit != nullptr) settle_positions(checkpoint, inquiry, shown, config);
  config.eps = static_cast<float>(inquiry.ask(&Stated::eps, "eps").value_or(0));
  if (vit != nullptr) {
    settle_vit(checkpoint, inquiry, *vit);
  } else {
    settle_windows(checkpoint, inquiry, config.swin());
    inquiry.tensors_show("heads", std::to_string(config.stages().front().heads) + " in the first stage");
    check_one_of(inquiry.ask(&Stated::activation, "activation"), "activation", {"gelu"}, checkpoint);
  }
  settle_pool(checkpoint, inquiry.ask(&Stated::pool, "pool"), config);
  if (config.classes > 0) settle_head(checkpoint, inquiry.ask(&Stated::head, "head"), config);
  of_file(checkpoint, [&] { check_config(config); });
  const PictureSize rest(config.image_size.height % config.patch, config.image_size.width % config.patch);
  if (rest != PictureSize()) {
    inquiry.tensors_show(
        "unseen", text_of("the last ", rest.height, " rows and ", rest.width, " columns: ", config.grid().rows, " x ",
                          config.grid().columns, " patches of ", config.patch, " pixels"));
  }
}

void check_colours(const Checkpoint& checkpoint, const Preprocessing& how) {
  constexpr float kLeast = 1e-4F;  // pixels are in [0, 1]: less would leave the range of float behind
  for (int c = 0; c < 3; ++c) {
    check(std::isfinite(how.mean[c]) && how.std[c] >= kLeast && std::isfinite(how.std[c]), ErrorCode::kFormat,
          checkpoint.source(), ": 'std' has ", how.std[c], " and 'mean' ", how.mean[c],
          ", expected finite numbers, the first at least ", kLeast);
  }
}

Preprocessing settle_preprocessing(const Checkpoint& checkpoint, Inquiry& inquiry, PictureSize image_size) {
  Preprocessing how;
  how.image_size = image_size;
  how.mean = inquiry.ask(&Stated::mean, "mean").value_or(how.mean);
  how.std = inquiry.ask(&Stated::std, "std").value_or(how.std);
  check_colours(checkpoint, how);
  how.resize = inquiry.resize(image_size);
  const auto interpolation = inquiry.ask(&Stated::interpolation, "interpolation");
  check_one_of(interpolation, "interpolation", {"bicubic", "bilinear"}, checkpoint);
  if (interpolation == "bilinear") how.interpolation = Interpolation::kBilinear;
  const auto mode = inquiry.ask(&Stated::resize_mode, "resize_mode");
  how.resize_mode =
      kind_named(resize_mode_named, mode.value_or("shortest"), "resize_mode", all_resize_modes(), checkpoint);
  const auto rounding = inquiry.ask(&Stated::resize_rounding, "resize_rounding");
  how.resize_rounding = kind_named(resize_rounding_named, rounding.value_or("bytes"), "resize_rounding",
                                   all_resize_roundings(), checkpoint);
  const auto offset = inquiry.ask(&Stated::crop_offset, "crop_offset");
  check_one_of(offset, "crop_offset", {"even", "down"}, checkpoint);
  if (offset == "down") how.crop_offset = CropOffset::kDown;
  return how;
}

std::vector<std::string> settle_classes(const Checkpoint& checkpoint, Inquiry& inquiry, std::int64_t classes) {
  if (classes == 0) return {};
  if (auto names = inquiry.ask(&Stated::classes, "classes")) {
    check(std::ssize(*names) == classes, ErrorCode::kFormat, checkpoint.source(), ": 'classes' names ", names->size(),
          " classes, the head has ", classes);
    return *std::move(names);
  }
  std::vector<std::string> names;
  for (std::int64_t i = 0; i < classes; ++i) names.push_back("class " + std::to_string(i));
  return names;
}

void check_architecture(const Checkpoint& checkpoint, const ModelConfig& config) {
  if (!is_of_vitq(checkpoint)) return;
  const std::string architecture(name_of(config.architecture()));
  const std::string stated = metadata_text(checkpoint, "architecture").value_or(architecture);
  check(stated == architecture, ErrorCode::kFormat, checkpoint.source(), ": metadata says architecture '",
        printable(stated), "', the tensors are of a ", architecture);
}

// "model-00001-of-00002" is one file of several.
void check_not_a_part(const Checkpoint& checkpoint) {
  const std::string stem = stem_of(checkpoint);
  const std::size_t of = stem.rfind("-of-");
  if (of == std::string::npos) return;
  constexpr std::size_t kOf = 4;
  constexpr std::string_view kDigits = "0123456789";
  const std::string_view total = std::string_view(stem).substr(of + kOf);
  const std::size_t first = stem.find_last_not_of(kDigits, of - 1);
  const bool is_numbered = first != std::string::npos && first + 1 < of && stem[first] == '-' && !total.empty() &&
                           total.find_first_not_of(kDigits) == std::string_view::npos;
  const std::size_t one = total.find_first_not_of('0');
  const bool is_one = one != std::string_view::npos && total.substr(one) == "1";
  check(!is_numbered || is_one, ErrorCode::kUnsupported, checkpoint.source(), ": is one part of ",
        total.substr(std::min(one, total.size())), " of a checkpoint, expected a whole one");
}

Statements all_statements(const Checkpoint& checkpoint, const ZooEntry* row, const ModelConfig& shapes,
                          const Stated& stated) {
  Statements all;
  all.add(stated, Source::kCaller, "stated");
  // What the blocks of a row are is not for a file to say, and what is done to pictures is.
  const std::string row_name = row != nullptr ? "row " + std::string(row->name) : "";
  if (row != nullptr) all.add(structure_of(*row), Source::kRow, row_name);
  all.add(stated_by_file(checkpoint, shapes), Source::kFile, "metadata", guesses_of_file(checkpoint));
  for (StatedByHub& hub : stated_by_hub(checkpoint, shapes)) {
    all.add(std::move(hub.says), Source::kConfig, std::move(hub.from));
  }
  if (row != nullptr) all.add(preprocessing_of(*row), Source::kRow, row_name);
  all.add(stated_by_tensors(shapes), Source::kTensors, "tensors");
  if (auto published = stated_by_shapes(shapes)) all.add(published->first, Source::kRow, published->second);
  all.add(stated_by_name(stem_of(checkpoint), shapes.image_size), Source::kFileName, "the file's name");
  all.add(usually(shapes), Source::kAssumed, "assumed");
  return all;
}

}  // namespace

ModelDescription describe(const Checkpoint& checkpoint, const std::optional<std::string>& insist,
                          const Stated& stated) {
  if (is_artifact(checkpoint)) check_artifact_schema(checkpoint);
  check(!stated.resize || !stated.crop_pct, "resize and crop_pct exclude each other, expected one");
  const ZooEntry* row = insist ? find_in_zoo(*insist) : nullptr;
  check(!insist || row != nullptr, "no model named ", printable(insist.value_or("")));
  check_not_a_part(checkpoint);
  ModelDescription description;
  description.config = row != nullptr ? row->config : config_of_shapes(checkpoint);
  const Statements statements = all_statements(checkpoint, row, description.config, stated);
  Inquiry inquiry(checkpoint, statements, description.facts);
  settle_config(checkpoint, inquiry, description.config);
  const auto name = statements.find(&Stated::name, "name");
  if (row == nullptr) row = match_zoo(description.config, name ? name->value : stem_of(checkpoint));
  description.name = row != nullptr ? std::string(row->name)
                     : name         ? name->value
                                    : std::string(name_of(description.config.architecture()));
  check_architecture(checkpoint, description.config);
  const std::string suggestion = insist ? hint(checkpoint) : "";
  if (is_artifact(checkpoint)) {
    require_artifact(checkpoint, expected_tensors(description.config), suggestion);
  } else {
    checkpoint.require(expected_tensors(description.config), suggestion);
  }
  description.preprocessing = settle_preprocessing(checkpoint, inquiry, description.config.image_size);
  description.class_names = settle_classes(checkpoint, inquiry, description.config.classes);
  return description;
}

Facts guesses_of(const ModelDescription& description) {
  Facts guesses;
  std::ranges::copy_if(description.facts, std::back_inserter(guesses),
                       [](const Fact& fact) { return is_guess(fact.source); });
  return guesses;
}

Checkpoint seeded_checkpoint(const std::string& name, std::uint64_t seed) {
  const ZooEntry* entry = find_in_zoo(name);
  check(entry != nullptr, "no model named ", printable(name));
  return Checkpoint::seeded(expected_tensors(entry->config), seed);
}

std::map<std::string, std::string> metadata_of(const ModelDescription& description) {
  const ModelConfig& config = description.config;
  std::map<std::string, std::string> metadata = {
      {"format", "vitq"},
      {"model", description.name},
      {"architecture", std::string(name_of(config.architecture()))},
      {"image_size", to_string(config.image_size)},
      {"patch_size", std::to_string(config.patch)},
      {"eps", joined(std::array{config.eps})},
      {"mean", joined(description.preprocessing.mean)},
      {"std", joined(description.preprocessing.std)},
      {"resize", to_string(description.preprocessing.resize)},
      {"interpolation", description.preprocessing.interpolation == Interpolation::kBilinear ? "bilinear" : "bicubic"},
      {"resize_mode", std::string(name_of(description.preprocessing.resize_mode))},
      {"resize_rounding", std::string(name_of(description.preprocessing.resize_rounding))},
      {"crop_offset", description.preprocessing.crop_offset == CropOffset::kDown ? "down" : "even"},
      {"activation", std::string(name_of(config.stages().front().activation))},
      {"pool", std::string(name_of(config.head().pool))},
      {"head", config.projection > 0 ? "projection" : "classes"},
  };
  if (config.rms_norm) metadata["norm"] = "rms";
  std::vector<std::string> assumed;
  for (const Fact& fact : guesses_of(description)) assumed.push_back(fact.what);
  if (!assumed.empty()) metadata["assumed"] = joined(assumed);
  if (config.architecture() == Architecture::kVit) {
    metadata["heads"] = std::to_string(config.vit().blocks.heads);
    metadata["rope"] = name_of(config.vit().rope);
    metadata["position_filter"] = name_of(config.vit().position_filter);
    const Grid stored = config.vit().position_grid.count() > 0 ? config.vit().position_grid : config.grid();
    if (config.vit().positions && stored.rows != stored.columns) {
      metadata["trained_size"] = to_string(PictureSize(stored.rows * config.patch, stored.columns * config.patch));
    }
  }
  if (const auto* swin = std::get_if<SwinConfig>(&config.body); swin != nullptr && swin->is_v2()) {
    metadata["window"] = std::to_string(swin->window);
    metadata["trained_windows"] = joined(swin->trained_windows);
  }
  if (!std::ranges::equal(description.class_names, imagenet_class_names())) {
    try {
      metadata["class_names"] = nlohmann::json(description.class_names).dump();
    } catch (const nlohmann::json::exception&) {
      fail(ErrorCode::kFormat, "class names: one is no UTF-8 text");
    }
  }
  return metadata;
}

std::map<std::string, std::string> zoo_metadata(const std::string& name) {
  return metadata_of(describe(seeded_checkpoint(name), name));
}

std::filesystem::path locate_model(const std::string& model) {
  std::error_code ignored;
  if (std::filesystem::is_directory(model, ignored)) return find_weights(model);
  if (std::filesystem::exists(model, ignored)) return model;
  if (const auto name = zoo_name(model)) {
    auto path = model_home() / (*name + ".safetensors");
    check(std::filesystem::exists(path, ignored), ErrorCode::kFile, "no weights for ", model, ": looked for ",
          path.string());
    return path;
  }
  if (const auto id = hub_id(model)) {
    const auto folder = hub_folder(*id);
    check(std::filesystem::is_directory(folder, ignored), ErrorCode::kFile, model,
          ": there is no such file, and no copy of a repository of that name, looked for ", folder.string());
    return find_weights(folder);
  }
  const bool looks_like_path = model.find_first_of("/.") != std::string::npos;
  check(looks_like_path, "no model named ", printable(model), ", and no such file");
  return model;
}

}  // namespace vitq
