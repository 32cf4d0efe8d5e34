#pragma once
// Every published naming of a ViT, DeiT or Swin checkpoint, turned into the one that vitq speaks: the state dict of
// current timm. Only names are looked at; shapes are Checkpoint::require's business.

#include <map>
#include <string>
#include <vector>

namespace vitq {

/// canonical name -> published name, for all names of one file. What differs between publishers:
///   - `module.` or `model.` in front of every name (DataParallel, a wrapped module): stripped, repeatedly;
///   - `*.relative_position_index` and `*.attn_mask`: buffers that follow from the shapes: left out;
///   - official Swin and old timm put a downsample at the end of a stage, `layers.{0,1,2}.downsample`, current timm at
///     the beginning of the next, `layers.{1,2,3}.downsample` (so only the old naming has `layers.0.downsample`);
///   - official Swin and old timm call Swin's classifier `head`, current timm `head.fc`.
/// ViT and DeiT, distilled ones included, have had the same names all along. Whatever is not known stays as it is.
/// Throws where two published names mean the same tensor.
std::map<std::string, std::string> canonical_names(const std::vector<std::string>& published);

}  // namespace vitq
