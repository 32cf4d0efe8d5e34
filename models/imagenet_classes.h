#pragma once
// The 1000 classes of ImageNet-1k: a short readable name and the WordNet id (wnid) of each.
// Source: the WordNet synsets of ILSVRC2012, in wnid order, which is the order of the logits of every model in the zoo.

#include <cstddef>
#include <span>
#include <string_view>

namespace vitq {

inline constexpr std::size_t kImagenetClasses = 1000;

/// Name of class i, in ASCII: the first lemma of its synset. All names differ even when case is ignored: the few that
/// would not carry a word more ("crane (bird)", "crane (machine)", "maillot (tank suit)", "Cardigan Welsh corgi").
std::span<const std::string_view> imagenet_class_names();

/// wnid of class i, "n01440764" and up, strictly ascending: the folder names of the usual ImageNet validation layout,
/// so the class of a folder is where std::ranges::lower_bound finds its name.
std::span<const std::string_view> imagenet_wnids();

}  // namespace vitq
