#pragma once
// The ranking of classes that a user sees.

#include <span>
#include <string>
#include <vector>

#include "vitq/model.h"

namespace vitq {

/// Model::top of logits [classes] with these names [classes].
std::vector<Prediction> best_classes(std::span<const float> logits, std::span<const std::string> names, int k);

}  // namespace vitq
