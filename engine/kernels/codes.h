#pragma once
// What requantization and the split and merge of heads check and make ready in the same way.

#include "engine/kernels/arguments.h"
#include "engine/kernels/requantize.h"
#include "engine/tensor.h"

namespace vitq {

/// Throws Error where `encoding` has no codes.
rows::Codes codes_of(const Encoding& encoding);

/// Throws Error, in the name of `who`, where there is not a multiplier and an offset for each column of s32 sums.
void check_values(const Tensor& sums, const PerColumn& values, const char* who);

}  // namespace vitq
