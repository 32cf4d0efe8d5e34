#pragma once
// Every published naming of a ViT, DeiT or Swin checkpoint, turned into the one that vitq speaks: the state dict of
// current timm. Only names are looked at; shapes are Checkpoint::require's business.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "vitq/error.h"

namespace vitq {

/// The names of one file, sorted out. All values are published names.
struct SortedNames {
  std::string wrapper;  ///< what stands before each name of the model: "", "module.", "backbone."
  std::map<std::string, std::string> tensors;  ///< of the model, by canonical name
  std::map<std::string, std::string> buffers;  ///< what follows from the shapes, by canonical name
  std::vector<std::string> left_behind;        ///< what stands outside of the model
};

/// There are several models in one file; a wrapper chooses one.
class SeveralModels : public Error {
 public:
  using Error::Error;
};

/// Sorts out all names of one file. What differs between publishers:
///   - the model is wrapped: whatever stands before `patch_embed.proj.weight` is stripped of every name that has it;
///     names without it are no part of the model. Where several models stand in the file, `wrapper` says which;
///   - what only training needs (a loss, MAE's decoder, a mask token, a queue) is no part of it either;
///   - `*.relative_position_index` and `*.attn_mask` are buffers that follow from the shapes;
///   - official Swin and old timm put a downsample at the end of a stage, `layers.{0,1,2}.downsample`, current timm at
///     the beginning of the next, `layers.{1,2,3}.downsample` (so only the old naming has `layers.0.downsample`);
///   - official Swin and old timm call Swin's classifier `head`, current timm `head.fc`.
/// ViT and DeiT, distilled ones included, have had the same names all along. Whatever is not known stays as it is.
/// Throws where two published names mean the same tensor, where no model has that wrapper, and SeveralModels.
SortedNames sort_names(const std::vector<std::string>& published,
                       const std::optional<std::string>& wrapper = std::nullopt);

/// The same; errors begin with `source`.
SortedNames sort_names_of(const std::string& source, const std::vector<std::string>& published,
                          const std::optional<std::string>& wrapper = std::nullopt);

/// Why none of `published` is known, for an error message, with a name that was found: "these are torchvision's names
/// (conv_proj.weight), ...".
std::string explain_names(const std::vector<std::string>& published);

}  // namespace vitq
