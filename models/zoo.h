#pragma once
// The table of models vitq knows by name. A new model is one row of zoo.cpp.

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "engine/picture/resize.h"
#include "models/config.h"

namespace vitq {

struct ZooEntry {
  std::string_view name;      ///< "deit_s"
  std::string_view timm_tag;  ///< the published weights the accuracy belongs to
  ModelConfig config;
  Preprocessing preprocessing;           ///< timm's default for these weights
  std::optional<double> top1{};          ///< published ImageNet-1k top-1 of the FP32 weights, per cent, where known
  std::string_view repository_tag = "";  ///< the tag that timm's repository is called by; empty: the same
};

/// All rows, in the order of the table.
std::span<const ZooEntry> zoo();

/// The row of that name or timm tag, or null.
const ZooEntry* find_in_zoo(std::string_view name);

/// The name of the row that `model` names, as describe() insists on it; nothing for any other text, and nothing where a
/// file or a folder is called so: a path comes first.
std::optional<std::string> zoo_name(const std::string& model);

/// The hub that hub_path() belongs to.
inline constexpr const char* kHub = "https://huggingface.co";

/// Where the Hugging Face hub has the weights of a row, below its address:
/// "timm/TAG/resolve/main/model.safetensors".
std::string hub_path(const ZooEntry& entry);

/// The row with exactly this configuration. `stem`, a file's name without folder or a model's, tells which of several
/// (vit_s and deit_s differ only in preprocessing): it is the row's tag, or the row's family stands in it, the longest
/// if several do. So it has to where there are no classes: many encoders without a head have the same shapes. Null if
/// there is none, or nothing tells which.
const ZooEntry* match_zoo(const ModelConfig& config, std::string_view stem);

/// What to resize to so that a centre crop of `image_size` keeps the fraction `crop_pct`: floor(side / crop_pct) for
/// each side, timm's rule. Throws Error unless 0 < crop_pct <= 1.
PictureSize resize_for_crop(PictureSize image_size, double crop_pct);

}  // namespace vitq
