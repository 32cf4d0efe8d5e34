#pragma once
// What the numbers of a tensor mean. Every tensor carries an Encoding; a layer emits the one it is asked for and checks
// the one it receives. Precision is a property of what flows, not of the code it flows through.

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>

namespace vitq {

/// How one element is stored.
enum class DType : std::uint8_t { kF32, kBF16, kS32, kU8, kS8 };

/// Bytes of one element.
constexpr std::size_t size_of(DType dtype) {
  if (dtype == DType::kBF16) return 2;
  return dtype == DType::kU8 || dtype == DType::kS8 ? 1 : 4;
}

/// "f32", "bf16", "s32", "u8" or "s8".
constexpr std::string_view name_of(DType dtype) {
  switch (dtype) {
    case DType::kF32:
      return "f32";
    case DType::kBF16:
      return "bf16";
    case DType::kS32:
      return "s32";
    case DType::kU8:
      return "u8";
    case DType::kS8:
      return "s8";
  }
  return "?";
}

/// Real value of a stored integer code: (code - zero_point) * scale. Float tensors have scale 1 and zero point 0.
/// `bits` (2 to 8) says which codes are used: u8 [0, 2^bits - 1], s8 symmetric [-(2^(bits-1) - 1), 2^(bits-1) - 1].
struct Encoding {
  DType dtype = DType::kF32;
  float scale = 1.0F;
  std::int32_t zero_point = 0;
  int bits = 8;
  const std::uint8_t* code_book = nullptr;  ///< u8 of 8 bits only: 256 entries, code c is stored as code_book[c]; not
                                            ///< owned; another book is another encoding
  bool row_scales = false;  ///< u8 only: each row has a scale of its own (Tensor::row_scales); `scale` is 1

  /// The least and the largest code of a u8 or s8 encoding.
  [[nodiscard]] constexpr std::int32_t least_code() const { return dtype == DType::kS8 ? -most_code() : 0; }
  [[nodiscard]] constexpr std::int32_t most_code() const { return (1 << (dtype == DType::kS8 ? bits - 1 : bits)) - 1; }

  bool operator==(const Encoding&) const = default;
};

inline constexpr Encoding kFloat{};
/// The upper half of an f32, rounded to nearest even: 8 bits of significand, the exponents of f32.
inline constexpr Encoding kBfloat16{.dtype = DType::kBF16};

/// "f32", "bf16", or "u8 of 4 bits (scale 0.1, zero point 7)", or the latter with ", with a code book" or
/// ", a scale for each row"; for messages.
std::string to_string(const Encoding& encoding);
/// The same, for check(): put together only where it fails.
std::ostream& operator<<(std::ostream& to, const Encoding& encoding);

}  // namespace vitq
