#pragma once
// The names of a checkpoint, whoever published it (namings.h), turned into the ones that vitq speaks: those of the
// state dict of current timm, with everything packed. Only names are looked at; shapes are Assembly's business, and
// Checkpoint::require's.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "vitq/error.h"
#include "weights/namings.h"

namespace vitq {

/// A stored tensor's contribution to a canonical one.
struct Portion {
  std::string published;
  Share share = Share::kWhole;

  bool operator==(const Portion&) const = default;
};

using Portions = std::vector<Portion>;

/// The names of one file, sorted out.
struct SortedNames {
  std::string wrapper;                      ///< what stands before each name of the model: "", "module.", "backbone."
  std::string who = {};                     ///< whose names they are (Naming::who); empty: nobody's that vitq knows
  std::map<std::string, Portions> tensors;  ///< of the model, by canonical name; in the order of their shares
  std::map<std::string, std::string>
      buffers;                           ///< the published names of what follows from the shapes, by canonical name
  std::vector<std::string> left_behind;  ///< the published names of what stands outside of the model
};

/// There are several models in one file; a wrapper chooses one.
class SeveralModels : public Error {
 public:
  using Error::Error;
};

/// Sorts out all names of one file:
///   - the naming is that of the first row of namings() that fits. Whatever stands before its anchor is stripped of
///   every
///     name that has it; names without it are no part of the model (a text tower, say), but for those that the naming
///     expects beside it. Where several models stand in the file, `wrapper` says which;
///   - what only training needs (a loss, MAE's decoder, a mask token, a queue) is no part of it either;
///   - `*.relative_position_index`, `*.attn_mask` and the like are buffers that follow from the shapes.
/// Whatever is not known stays as it is.
/// Throws where two published names mean the same tensor, where a part of one is missing (the keys of a qkv), where no
/// model has that wrapper, and SeveralModels.
SortedNames sort_names(const std::vector<std::string>& published,
                       const std::optional<std::string>& wrapper = std::nullopt);

/// The same; errors begin with `source`.
SortedNames sort_names_of(const std::string& source, const std::vector<std::string>& published,
                          const std::optional<std::string>& wrapper = std::nullopt);

/// Why none of `published` is known, for an error message, with a name that was found: "these are torchvision's names
/// (conv_proj.weight), ...".
std::string explain_names(const std::vector<std::string>& published);

}  // namespace vitq
