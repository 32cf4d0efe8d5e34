#pragma once
// Pictures through a model, each at a size of its own.

#include <filesystem>
#include <span>

#include "cli/inference.h"

namespace vitq {

/// What the model sees of a picture of `picture` pixels: its short side brought to that of the model, or the picture as
/// it is where `how` does not resize, without the rows and columns behind the last whole patch.
PictureSize dynamic_size(PictureSize picture, const Preprocessing& how, std::int64_t patch);

/// As infer(), one picture after the other, without a reference: each resized to its dynamic_size(), for which the
/// model's positions are resampled (Model::resized). A picture that is smaller than a patch, or longer than a model may
/// see, is a failure of its own. Throws Error (kUnsupported) where the model computes one size alone,
/// or resizes in float.
void infer_dynamic(const Contestant& contestant, std::span<const std::filesystem::path> pictures,
                   const InferenceOptions& options, const InferenceEvents& events);

}  // namespace vitq
