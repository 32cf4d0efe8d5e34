#pragma once
// NumPy's file format, version 1.0 (numpy.org/doc/stable/reference/generated/numpy.lib.format.html): a header, then the
// elements, the last axis fastest.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace vitq {

enum class NpyType : std::uint8_t { kFloat32, kFloat16 };

/// "float32" or "float16".
const char* name_of(NpyType type);

/// Bytes of an element.
std::size_t size_of(NpyType type);

/// The header of an array of this shape, little-endian, rows from the first. A multiple of 64 bytes.
std::string npy_header(NpyType type, std::span<const std::int64_t> shape);

/// Appends `values` as elements, float16 rounded to nearest even. Throws Error naming the value that is too large for
/// float16; `what` is whose it is.
void append_npy(std::vector<std::uint8_t>& bytes, std::span<const float> values, NpyType type, const std::string& what);

}  // namespace vitq
