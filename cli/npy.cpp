#include "cli/npy.h"

#include <bit>
#include <cmath>
#include <cstring>

#include "engine/error.h"
#include "weights/half.h"

namespace vitq {

static_assert(std::endian::native == std::endian::little);

const char* name_of(NpyType type) { return type == NpyType::kFloat16 ? "float16" : "float32"; }

std::size_t size_of(NpyType type) { return type == NpyType::kFloat16 ? sizeof(std::uint16_t) : sizeof(float); }

std::string npy_header(NpyType type, std::span<const std::int64_t> shape) {
  constexpr std::size_t kAlignment = 64;
  constexpr int kByte = 8;
  std::string text =
      std::string("{'descr': '<f") + (type == NpyType::kFloat16 ? '2' : '4') + "', 'fortran_order': False, 'shape': (";
  for (std::size_t axis = 0; axis < shape.size(); ++axis) text += (axis == 0 ? "" : ", ") + std::to_string(shape[axis]);
  text += shape.size() == 1 ? ",), }" : "), }";
  std::string header("\x93NUMPY\x01\0\0\0", 10);
  const std::size_t least = header.size() + text.size() + 1;
  text.append((kAlignment - least % kAlignment) % kAlignment, ' ') += '\n';
  header[8] = static_cast<char>(text.size() & 0xff);
  header[9] = static_cast<char>(text.size() >> kByte);
  return header + text;
}

void append_npy(std::vector<std::uint8_t>& bytes, std::span<const float> values, NpyType type,
                const std::string& what) {
  const std::size_t begin = bytes.size();
  bytes.resize(begin + values.size() * size_of(type));
  std::uint8_t* dst = bytes.data() + begin;
  if (type == NpyType::kFloat32) {
    std::memcpy(dst, values.data(), values.size_bytes());
    return;
  }
  for (const float value : values) {
    const std::uint16_t half = float_to_half(value);
    check(!std::isfinite(value) || std::isfinite(half_to_float(half)), ErrorCode::kUnsupported, what, ": holds ", value,
          ", which is too large for float16; take float32");
    std::memcpy(dst, &half, sizeof(half));
    dst += sizeof(half);
  }
}

}  // namespace vitq
