#pragma once
// A folder as the Hugging Face hub lays out a model: weights under one of a few names, and what describes them.

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace vitq {

/// Whether a file of weights is called as a hub's is, so that the configuration beside it is its own.
bool is_hub_weights(const std::filesystem::path& file);

/// Whether it is called as open_clip's is.
bool is_open_clip_weights(const std::filesystem::path& file);

/// Of the names of files in a folder the one of the weights, as find_weights would find them with `pickles`; nothing
/// where there are none.
std::optional<std::string> weights_among(const std::vector<std::string>& names);

/// Of the names of a folder's files those that describe the weights.
std::vector<std::string> descriptions_among(const std::vector<std::string>& names);

/// The weights in `folder`: model.safetensors, else the index of its parts, else open_clip's. With `pickles`, else
/// PyTorch's. Throws Error: kFile where there are none, kUnsupported where there are PyTorch's alone.
std::filesystem::path find_weights(const std::filesystem::path& folder, bool pickles = false);

}  // namespace vitq
