#pragma once
// Sixteen floats at a time, in GCC's and Clang's vector types: the compiler lowers them to whatever the clone's target
// has (one AVX-512 register, two AVX, four SSE). Sums are kept in sixteen lanes and folded in one fixed order, so a row
// kernel computes the same bits with any of them. But where a product is added to, CPUs with FMA round once and others
// twice (-ffp-contract=fast, for these files alone): x86-64-v2 may differ from -v3 and -v4 in the last bit, and a code
// that lies on the edge in one step. It is a third of GELU's and softmax's time (docs/speed.md).
//
// Only row kernels include this file. Their range functions carry the target_clones attribute.

#include <cstdint>
#include <cstring>

namespace vitq::simd {

inline constexpr int kLanes = 16;
using Floats = float __attribute__((vector_size(64)));
using Ints = std::int32_t __attribute__((vector_size(64)));

// Vectors travel by reference, into functions that are always inlined: a 64-byte value in a call would have a calling
// convention that depends on the clone.

[[gnu::always_inline]] inline void load(const float* from, Floats& to) { std::memcpy(&to, from, sizeof(to)); }
[[gnu::always_inline]] inline void store(const Floats& from, float* to) { std::memcpy(to, &from, sizeof(from)); }
[[gnu::always_inline]] inline void fill(float value, Floats& to) { to = value - Floats{}; }

using Bytes = std::uint8_t __attribute__((vector_size(kLanes)));

[[gnu::always_inline]] inline void load(const std::int32_t* from, Ints& to) { std::memcpy(&to, from, sizeof(to)); }

/// Sixteen integers as floats, rounded as the hardware does (exact below 2^24).
[[gnu::always_inline]] inline void load_converted(const std::int32_t* from, Floats& to) {
  Ints lanes;
  load(from, lanes);
  to = __builtin_convertvector(lanes, Floats);
}

/// x rounded half to even, as integers; |x| < 2^22. Adding 1.5 * 2^23 leaves the integer in the low mantissa bits.
[[gnu::always_inline]] inline void round(const Floats& x, Ints& to) {
  constexpr std::int32_t kBitsOfRound = 0x4b400000;
  const Floats shifted = x + 12582912.0F;
  std::memcpy(&to, &shifted, sizeof(to));
  to -= kBitsOfRound;
}

/// x limited to [least, most]; NaN becomes `least`. The bounds are best variables in memory: of constants GCC 12 makes
/// two instructions each.
[[gnu::always_inline]] inline void clamp(float least, float most, Floats& x) {
  x = x > least ? x : least - Floats{};
  x = x < most ? x : most - Floats{};
}

/// The low byte of each lane: a u8 code or, in two's complement, an s8 one.
[[gnu::always_inline]] inline void store_bytes(const Ints& from, void* to) {
  const Bytes bytes = __builtin_convertvector(from, Bytes);
  std::memcpy(to, &bytes, sizeof(bytes));
}

using Words = std::uint32_t __attribute__((vector_size(64)));
using Halves = std::uint16_t __attribute__((vector_size(2 * kLanes)));

/// Sixteen bf16, rounded half to even, infinity beyond the largest; a NaN stays one, quiet. Denormals are kept.
[[gnu::always_inline]] inline void store_bf16(const Floats& from, std::uint16_t* to) {
  constexpr std::uint32_t kAlmostHalf = 0x7fff;
  constexpr std::uint32_t kQuiet = 0x400000;
  constexpr std::uint32_t kInfinity = 0xff000000;  // without the sign, which is shifted out
  Words bits;
  std::memcpy(&bits, &from, sizeof(bits));
  const Words rounded = bits + kAlmostHalf + ((bits >> 16) & 1);
  bits = (bits << 1) > kInfinity ? bits | kQuiet : rounded;
  const Halves halves = __builtin_convertvector(bits >> 16, Halves);
  std::memcpy(to, &halves, sizeof(halves));
}

/// The lanes `kBy` further on, around the end.
template <int kBy, class Lanes>
[[gnu::always_inline]] inline void rotated(const Lanes& from, Lanes& to) {
  to = __builtin_shufflevector(from, from, kBy, 1 + kBy, 2 + kBy, 3 + kBy, 4 + kBy, 5 + kBy, 6 + kBy, 7 + kBy, 8 + kBy,
                               9 + kBy, 10 + kBy, 11 + kBy, 12 + kBy, 13 + kBy, 14 + kBy, 15 + kBy);
}

/// Sum of the lanes, halves first: ((0+8)+(4+12)) + ... in a fixed order.
template <class Lanes>
[[gnu::always_inline]] inline auto sum(const Lanes& lanes) {
  Lanes fold = lanes;
  Lanes other;
  rotated<8>(fold, other);
  fold += other;
  rotated<4>(fold, other);
  fold += other;
  rotated<2>(fold, other);
  fold += other;
  return fold[0] + fold[1];
}

template <class Lanes>
[[gnu::always_inline]] inline auto max(const Lanes& lanes) {
  Lanes fold = lanes;
  Lanes other;
  rotated<8>(fold, other);
  fold = fold > other ? fold : other;
  rotated<4>(fold, other);
  fold = fold > other ? fold : other;
  rotated<2>(fold, other);
  fold = fold > other ? fold : other;
  return fold[0] > fold[1] ? fold[0] : fold[1];
}

[[gnu::always_inline]] inline void max_into(const Ints& other, Ints& most) { most = most > other ? most : other; }

[[gnu::always_inline]] inline void max_into(const Floats& other, Floats& most) { most = most > other ? most : other; }

/// exp(x) for x <= 0, in place; relative error at most 2^-22 for x >= -87, and exactly 0 below it (no denormals).
/// Cody-Waite reduction by ln 2 in two parts, then a degree-6 polynomial on [-ln2/2, ln2/2] (Cephes expf coefficients).
[[gnu::always_inline]] inline void exp_of_negative(Floats& x) {
  constexpr float kLog2E = 1.44269504F;
  constexpr float kLn2High = 0.693359375F;
  constexpr float kLn2Low = -2.12194440e-4F;
  constexpr float kRound = 12582912.0F;  // 1.5 * 2^23: adding it rounds to an integer, kept in the low mantissa bits
  const Ints underflow = x < -87.0F;
  x = underflow ? Floats{} : x;
  const Floats shifted = x * kLog2E + kRound;
  const Floats n = shifted - kRound;
  const Floats r = (x - n * kLn2High) - n * kLn2Low;
  Floats p = r * 1.9875691500e-4F + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * r * r + r + 1.0F;
  Ints bits;
  std::memcpy(&bits, &shifted, sizeof(bits));
  bits = (bits << 23) + 0x3f800000;  // 2^n
  Floats power;
  std::memcpy(&power, &bits, sizeof(power));
  x = underflow ? Floats{} : p * power;
}

/// Where 255 2^x rounds to 0.
inline constexpr float kLeastPower = -12.0F;

/// round(255 2^x) for x <= 0 (NaN: 0). A degree-4 polynomial on [-1/2, 1/2], minimax in the relative error, which is
/// 2.8e-6: before rounding 0.0008 off at most. least: kLeastPower, in a variable (see clamp).
[[gnu::always_inline]] inline void codes_of_power(const Floats& x, float least, Ints& codes) {
  constexpr float kRound = 12582912.0F;
  Floats t = x;
  t = t > least ? t : least - Floats{};
  const Floats shifted = t + kRound;
  const Floats f = t - (shifted - kRound);
  Floats p = f * 2.44363173F + 14.2561493F;
  p = p * f + 61.2614514F;
  p = p * f + 176.746668F;
  p = p * f + 255.0F;
  Ints exponent;
  Ints bits;
  std::memcpy(&exponent, &shifted, sizeof(exponent));
  std::memcpy(&bits, &p, sizeof(bits));
  bits += exponent << 23;  // p 2^n: of `shifted` the shift leaves n alone
  std::memcpy(&p, &bits, sizeof(p));
  round(p, codes);
}

/// Beyond it rough_gelu takes GELU for 0 or x.
inline constexpr float kRoughGeluEnd = 3.9F;

/// x Phi(x), in place, 1.9e-4 off at most: for what is rounded to codes anyway. Phi(x) - 1/2 = x P(x^2) up to the end,
/// with the minimax P for x Phi(x) that makes Phi 1 there. end: kRoughGeluEnd, in a variable (see clamp).
[[gnu::always_inline]] inline void rough_gelu(float end, Floats& x) {
  Floats near = x;
  clamp(-end, end, near);
  const Floats u = near * near;
  Floats p = u * 2.61860171e-08F + -1.76586971e-06F;
  p = p * u + 5.11452379e-05F;
  p = p * u + -8.43697492e-04F;
  p = p * u + 8.91089757e-03F;
  p = p * u + -6.48684112e-02F;
  p = p * u + 3.98093470e-01F;
  x *= near * p + 0.5F;
}

/// x Phi(x), in place (engine/kernels/gelu.h states the bound). Coefficients: weighted least squares on [0, 5.6],
/// reweighted towards the largest error, of Phi(x) - 1/2 = x P(x^2) / Q(x^2); 1.6e-9 before rounding to float.
[[gnu::always_inline]] inline void gelu(Floats& x) {
  constexpr float kEnd = 5.6F;  // Phi(-5.6) = 1.1e-8: beyond it GELU is 0 or x
  const Floats u = x * x;
  Floats p = u * -7.95084137e-11F + 5.44750485e-08F;
  p = p * u + 8.56162205e-06F;
  p = p * u + 1.68894112e-04F;
  p = p * u + 4.80398769e-03F;
  p = p * u + 3.25076841e-02F;
  p = p * u + 3.98942292e-01F;
  Floats q = u * 2.04419052e-06F + 8.20110508e-05F;
  q = q * u + 1.92950119e-03F;
  q = q * u + 2.83999592e-02F;
  q = q * u + 2.48151585e-01F;
  q = q * u + 1.0F;
  Floats phi = x * p / q + 0.5F;
  phi = x < -kEnd ? Floats{} : phi;
  phi = x > kEnd ? Floats{} + 1.0F : phi;
  x *= phi;
}

}  // namespace vitq::simd
