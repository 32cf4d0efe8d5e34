#include "quant/sites.h"

#include <algorithm>
#include <string_view>

#include "engine/error.h"

namespace vitq {

namespace {

constexpr std::string_view kWeight = ".weight";

}  // namespace

bool is_site(const TensorSpec& tensor) {
  if (tensor.shape.size() < 2 || !tensor.name.ends_with(kWeight)) return false;
  // The query of an attention pool is a constant, and its products are folded (engine/layers/attention_pool.h).
  if (tensor.name == "attn_pool.q.weight" || tensor.name == "attn_pool.kv.weight") return false;
  // The MLP of Swin V2's biases runs when a model is opened, and never again.
  return tensor.name.find(".cpb_mlp.") == std::string::npos;
}

std::vector<std::string> sites_of(const std::vector<TensorSpec>& tensors) {
  std::vector<std::string> sites;
  for (const TensorSpec& tensor : tensors) {
    if (!is_site(tensor)) continue;
    sites.push_back(tensor.name.substr(0, tensor.name.size() - kWeight.size()));
    constexpr std::string_view kQkv = ".qkv";
    if (sites.back().ends_with(kQkv)) sites.push_back(sites.back().substr(0, sites.back().size() - kQkv.size()));
  }
  return sites;
}

const std::vector<std::string>& site_kinds() {
  static const std::vector<std::string> kKinds = {"patch", "qkv", "attention", "proj",
                                                  "fc1",   "fc2", "reduction", "head"};
  return kKinds;
}

std::string kind_of(const std::string& site) {
  if (site == "patch_embed.proj") return "patch";
  if (site.starts_with("head")) return "head";
  if (site.ends_with(".attn")) return "attention";
  return site.substr(site.rfind('.') + 1);
}

bool is_edge(const std::string& site) { return kind_of(site) == "patch" || kind_of(site) == "head"; }

bool holds(const std::vector<std::string>& entries, const std::string& site) {
  return std::ranges::any_of(entries,
                             [&](const std::string& entry) { return entry == site || entry == kind_of(site); });
}

void check_entries(const std::string& option, const std::vector<std::string>& entries,
                   const std::vector<std::string>& sites) {
  for (const std::string& entry : entries) {
    const bool known =
        std::ranges::find(site_kinds(), entry) != site_kinds().end() || std::ranges::find(sites, entry) != sites.end();
    check(known, option, ": no site '", entry, "' in this model; expected patch, qkv, attention, proj, fc1, fc2, ",
          "reduction, head or a layer's name");
  }
}

}  // namespace vitq
