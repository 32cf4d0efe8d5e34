#pragma once
// The table of published namings: how other people call the tensors of a ViT, in what pieces they store them, and what
// that is under vitq's names, which are timm's with everything packed. A new naming is a row of namings.cpp.

#include <cstdint>
#include <span>
#include <string_view>

namespace vitq {

/// What of a stored tensor becomes what of a canonical one. Rows are those of the first dimension.
enum class Share : std::uint8_t {
  kWhole,
  kTransposed,       ///< of a matrix [inputs, outputs]
  kThreeDims,        ///< extents of 1 are put in front: [D] is [1, 1, D], [N, D] is [1, N, D]
  kQuery,            ///< the first, second and third part of the rows of qkv; a missing bias of the keys is zero
  kKey,              ///<
  kValue,            ///<
  kGate,             ///< the first and second half of the rows of a gated MLP's fc1
  kUp,               ///<
  kFirstThird,       ///< a third of the stored rows: the queries of a packed qkv
  kOtherThirds,      ///< its keys and values
  kPositionAdded,    ///< of positions [1, N, D] the first, which is added to the class token
  kPositionsBehind,  ///< the others
};

/// A name is `published`, where '#' stands for a number and a '*' at the end for whatever follows. It contributes to
/// the tensor `canonical`, in which '#' and '*' are the same, in their order, and '+' is the number '#' and one more;
/// where `canonical` is empty it is left behind: no pass needs it.
struct Rule {
  std::string_view published;
  std::string_view canonical;
  Share share = Share::kWhole;
};

using Rules = std::span<const Rule>;

/// A naming is recognised by its anchor: whatever stands before it in a name is the model's wrapper. Every name under
/// the wrapper that no rule fits keeps its name, for the model to refuse; every rule that fits counts.
struct Naming {
  std::string_view who;             ///< for people: "transformers' ViT"
  std::string_view anchor;          ///< the name of a tensor that every such model has
  std::string_view needs = {};      ///< what the name of a second one begins with; empty: none is needed
  std::string_view under = {};      ///< what the wrapper ends with: "trunk."
  std::string_view beside_it = {};  ///< the same of one that stands beside the wrapper's last word
  Rules tower = {};                 ///< of names under the wrapper
  Rules more = {};                  ///< the same: rules that several namings share
  Rules beside = {};                ///< of names beside the wrapper's last word: "classifier.weight" beside "vit."
};

/// The first that fits a file counts.
std::span<const Naming> namings();

}  // namespace vitq
