#pragma once
// The sites of a model, which quantization decides about one by one: its linear layers and attentions.

#include <string>
#include <vector>

#include "weights/checkpoint.h"

namespace vitq {

/// The linear layers and attentions of a float model with these tensors, in the order of the tensors.
std::vector<std::string> sites_of(const std::vector<TensorSpec>& tensors);

/// Whether a tensor is the weight of such a layer.
bool is_site(const TensorSpec& tensor);

/// Every kind that a site may have.
const std::vector<std::string>& site_kinds();

/// "blocks.3.mlp.fc2" -> "fc2", "patch_embed.proj" -> "patch", "blocks.0.attn" -> "attention".
std::string kind_of(const std::string& site);

/// Whether it is the patch embedding or the head.
bool is_edge(const std::string& site);

/// Whether `entries`, kinds or names, mean this site.
bool holds(const std::vector<std::string>& entries, const std::string& site);

/// Throws Error where an entry is neither a kind nor one of `sites`; `option` is where it comes from.
void check_entries(const std::string& option, const std::vector<std::string>& entries,
                   const std::vector<std::string>& sites);

}  // namespace vitq
