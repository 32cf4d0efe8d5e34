#pragma once
// The float types of published files as float32.

#include <span>
#include <string>

#include "weights/safetensors.h"

namespace vitq {

/// Every element of `tensor`, F32, F16, BF16 or F64, to `dst`, which has as many; F64 is rounded, the others are exact.
/// Throws Error that begins with `source` for another type.
void widen(const FileTensor& tensor, std::span<float> dst, const std::string& source);

}  // namespace vitq
