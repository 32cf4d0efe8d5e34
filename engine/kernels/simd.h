#pragma once
// Sixteen floats at a time, in GCC's and Clang's vector types: the compiler lowers them to whatever the unit is
// compiled for (one AVX-512 register, two AVX, four SSE). Every instruction set computes the same bits: sums are kept
// in sixteen lanes and folded in one fixed order, a product that is added to is rounded once where fma() says so and
// nowhere else, and x86-64-v2, which has no such instruction, computes it from doubles.
//
// Only the loops in rows/ include this file. They are compiled once for each instruction set, and the linker keeps one
// of several inline functions of the same name, whichever it likes: so all that stands here and there has internal
// linkage, and none of it calls an inline function of the standard library (tests/kernel_symbols.sh looks).

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "engine/kernels/arguments.h"

namespace vitq::simd {
namespace {

constexpr std::int64_t kLanes = kVectorLanes;
using Floats = float __attribute__((vector_size(64)));
using Ints = std::int32_t __attribute__((vector_size(64)));
using Words = std::uint32_t __attribute__((vector_size(64)));
using Halves = std::uint16_t __attribute__((vector_size(2 * kLanes)));
using Bytes = std::uint8_t __attribute__((vector_size(kLanes)));

/// A vector of a row: all its lanes, or the first `count` of them. Of a part the other lanes are read as 0 and not
/// written.
struct Whole {
  static constexpr std::int64_t count = kLanes;
};
struct Part {
  std::int64_t count;
};

/// The one loop of all row kernels: body(c, Whole) for the columns c, c + 1, ... of each whole vector, then, if some
/// are left, body(c, Part). The body is compiled twice, and only the first has to be fast.
template <class Body>
[[gnu::always_inline]] inline void for_vectors(std::int64_t columns, const Body& body) {
  std::int64_t c = 0;
  for (; c + kLanes <= columns; c += kLanes) body(c, Whole{});
  if (c < columns) body(c, Part{columns - c});
}

template <class Vector, class T>
[[gnu::always_inline]] inline Vector read(const T* from, Whole /*lanes*/) {
  Vector x;
  std::memcpy(&x, from, sizeof(x));
  return x;
}

template <class Vector, class T>
[[gnu::always_inline]] inline Vector read(const T* from, Part lanes) {
  T whole[kLanes]{};
  std::memcpy(whole, from, lanes.count * sizeof(T));
  return read<Vector>(whole, Whole{});
}

template <class Vector, class Lanes>
[[gnu::always_inline]] inline void write(Vector x, void* to, Lanes lanes) {
  std::memcpy(to, &x, lanes.count * sizeof(x[0]));
}

template <class Lanes = Whole>
[[gnu::always_inline]] inline Floats load(const float* from, Lanes lanes = {}) {
  return read<Floats>(from, lanes);
}

template <class Lanes = Whole>
[[gnu::always_inline]] inline Ints load(const std::int32_t* from, Lanes lanes = {}) {
  return read<Ints>(from, lanes);
}

template <class Lanes = Whole>
[[gnu::always_inline]] inline void store(Floats x, float* to, Lanes lanes = {}) {
  write(x, to, lanes);
}

[[gnu::always_inline]] inline Floats splat(float value) { return value - Floats{}; }

/// The bits of one as the other.
template <class To, class From>
[[gnu::always_inline]] inline To bits_as(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof(to));
  return to;
}

/// As floats, rounded as the hardware does (exact below 2^24).
[[gnu::always_inline]] inline Floats converted(Ints x) { return __builtin_convertvector(x, Floats); }

#if defined(__AVX512F__)

/// a * b + c, rounded once.
[[gnu::always_inline]] inline Floats fma(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a, b, c); }

#elif defined(__FMA__)

// The unit for x86-64-v3 contracts (CMakeLists.txt): two halves by intrinsics GCC 12 would send through memory, at half
// the speed. That nothing else becomes one, tests/kernel_isa_test.cpp says.
[[gnu::always_inline]] inline Floats fma(Floats a, Floats b, Floats c) { return a * b + c; }

#else

// Two at a time. The product of two floats is exact in double, but its sum with c, rounded to double and then to float,
// would be rounded twice. Rounded to odd instead (of the two doubles around the exact sum the one with an odd last
// bit), the second rounding is as if it were the only one (Boldo and Melquiond, 2008).
[[gnu::always_inline]] inline __m128d sum_rounded_to_odd(__m128d product, __m128d c) {
  using Longs = long long __attribute__((vector_size(16)));
  const __m128d sum = product + c;
  const __m128d back = sum - product;
  const __m128d error = (product - (sum - back)) + (c - back);  // product + c - sum, exactly (Knuth's TwoSum)
  const Longs is_inexact = (error > 0.0) | (error < 0.0);       // of infinities and NaN neither
  const Longs bits = bits_as<Longs>(sum);
  const Longs is_even = (bits & 1) - 1;
  const Longs towards_error = ((bits ^ bits_as<Longs>(error)) < 0) | 1;
  return bits_as<__m128d>(bits + (towards_error & is_even & is_inexact));
}

[[gnu::always_inline]] inline __m128 fma(__m128 a, __m128 b, __m128 c) {
  const auto low = [](__m128 x) { return _mm_cvtps_pd(x); };
  const auto high = [](__m128 x) { return _mm_cvtps_pd(_mm_movehl_ps(x, x)); };
  return _mm_movelh_ps(_mm_cvtpd_ps(sum_rounded_to_odd(low(a) * low(b), low(c))),
                       _mm_cvtpd_ps(sum_rounded_to_odd(high(a) * high(b), high(c))));
}

[[gnu::always_inline]] inline Floats fma(Floats a, Floats b, Floats c) {
  constexpr int kQuarters = 4;
  __m128 x[3][kQuarters];
  std::memcpy(x[0], &a, sizeof(a));
  std::memcpy(x[1], &b, sizeof(b));
  std::memcpy(x[2], &c, sizeof(c));
  for (int i = 0; i < kQuarters; ++i) x[0][i] = fma(x[0][i], x[1][i], x[2][i]);
  std::memcpy(&a, x[0], sizeof(a));
  return a;
}

#endif

[[gnu::always_inline]] inline Floats fma(Floats a, Floats b, float c) { return fma(a, b, splat(c)); }
[[gnu::always_inline]] inline Floats fma(Floats a, float b, Floats c) { return fma(a, splat(b), c); }
[[gnu::always_inline]] inline Floats fma(Floats a, float b, float c) { return fma(a, splat(b), splat(c)); }

/// x rounded half to even, as integers; |x| < 2^22. Adding 1.5 * 2^23 leaves the integer in the low mantissa bits.
[[gnu::always_inline]] inline Ints round(Floats x) {
  constexpr std::int32_t kBitsOfRound = 0x4b400000;
  return bits_as<Ints>(x + 12582912.0F) - kBitsOfRound;
}

/// x limited to [least, most]; NaN becomes `least`. The bounds are best variables in memory: of constants GCC 12 makes
/// two instructions each.
[[gnu::always_inline]] inline Floats clamp(float least, float most, Floats x) {
  x = x > least ? x : splat(least);
  return x < most ? x : splat(most);
}

/// The low byte of each lane: a u8 code or, in two's complement, an s8 one.
template <class Lanes = Whole>
[[gnu::always_inline]] inline void store_bytes(Ints x, void* to, Lanes lanes = {}) {
  write(__builtin_convertvector(x, Bytes), to, lanes);
}

/// Sixteen bf16, rounded half to even, infinity beyond the largest; a NaN stays one, quiet. Denormals are kept.
template <class Lanes = Whole>
[[gnu::always_inline]] inline void store_bf16(Floats x, std::uint16_t* to, Lanes lanes = {}) {
  constexpr std::uint32_t kAlmostHalf = 0x7fff;
  constexpr std::uint32_t kQuiet = 0x400000;
  constexpr std::uint32_t kInfinity = 0xff000000;  // without the sign, which is shifted out
  Words bits = bits_as<Words>(x);
  const Words rounded = bits + kAlmostHalf + ((bits >> 16) & 1);
  bits = (bits << 1) > kInfinity ? bits | kQuiet : rounded;
  write(__builtin_convertvector(bits >> 16, Halves), to, lanes);
}

template <class Vector>
[[gnu::always_inline]] inline Vector larger(Vector a, Vector b) {
  return a > b ? a : b;
}

/// The lanes `kBy` further on, around the end.
template <int kBy, class Vector>
[[gnu::always_inline]] inline Vector rotated(Vector x) {
  return __builtin_shufflevector(x, x, kBy, 1 + kBy, 2 + kBy, 3 + kBy, 4 + kBy, 5 + kBy, 6 + kBy, 7 + kBy, 8 + kBy,
                                 9 + kBy, 10 + kBy, 11 + kBy, 12 + kBy, 13 + kBy, 14 + kBy, 15 + kBy);
}

/// Sum of the lanes, halves first: ((0+8)+(4+12)) + ... in a fixed order.
template <class Vector>
[[gnu::always_inline]] inline auto sum(Vector x) {
  x += rotated<8>(x);
  x += rotated<4>(x);
  x += rotated<2>(x);
  return x[0] + x[1];
}

template <class Vector>
[[gnu::always_inline]] inline auto max(Vector x) {
  x = larger(x, rotated<8>(x));
  x = larger(x, rotated<4>(x));
  x = larger(x, rotated<2>(x));
  return x[0] > x[1] ? x[0] : x[1];
}

/// exp(x) for x <= 0; relative error at most 2^-22 for x >= -87, and exactly 0 below it (no denormals).
/// Cody-Waite reduction by ln 2 in two parts, then a degree-6 polynomial on [-ln2/2, ln2/2] (Cephes expf coefficients).
[[gnu::always_inline]] inline Floats exp_of_negative(Floats x) {
  constexpr float kLog2E = 1.44269504F;
  constexpr float kLn2High = 0.693359375F;
  constexpr float kLn2Low = -2.12194440e-4F;
  constexpr float kRound = 12582912.0F;  // 1.5 * 2^23: adding it rounds to an integer, kept in the low mantissa bits
  const Ints underflow = x < -87.0F;
  x = underflow ? Floats{} : x;
  const Floats shifted = fma(x, kLog2E, kRound);
  const Floats n = shifted - kRound;
  const Floats r = fma(n, -kLn2Low, fma(n, -kLn2High, x));
  Floats p = fma(r, 1.9875691500e-4F, 1.3981999507e-3F);
  p = fma(p, r, 8.3334519073e-3F);
  p = fma(p, r, 4.1665795894e-2F);
  p = fma(p, r, 1.6666665459e-1F);
  p = fma(p, r, 5.0000001201e-1F);
  p = fma(p * r, r, r) + 1.0F;
  const auto power = bits_as<Floats>((bits_as<Ints>(shifted) << 23) + 0x3f800000);  // 2^n
  return underflow ? Floats{} : p * power;
}

/// round(255 2^x) for x <= 0 (NaN: 0). A degree-4 polynomial on [-1/2, 1/2], minimax in the relative error, which is
/// 2.8e-6: before rounding 0.0008 off at most. least: kLeastPower, in a variable (see clamp).
[[gnu::always_inline]] inline Ints codes_of_power(Floats x, float least) {
  constexpr float kRound = 12582912.0F;
  x = x > least ? x : splat(least);
  const Floats shifted = x + kRound;
  const Floats f = x - (shifted - kRound);
  Floats p = fma(f, 2.44363173F, 14.2561493F);
  p = fma(p, f, 61.2614514F);
  p = fma(p, f, 176.746668F);
  p = fma(p, f, 255.0F);
  // p 2^n: of `shifted` the shift leaves n alone.
  return round(bits_as<Floats>(bits_as<Ints>(p) + (bits_as<Ints>(shifted) << 23)));
}

/// x Phi(x), 1.9e-4 off at most: for what is rounded to codes anyway. Phi(x) - 1/2 = x P(x^2) up to the end, with the
/// minimax P for x Phi(x) that makes Phi 1 there. end: kRoughGeluEnd, in a variable (see clamp).
[[gnu::always_inline]] inline Floats rough_gelu(float end, Floats x) {
  const Floats near = clamp(-end, end, x);
  const Floats u = near * near;
  Floats p = fma(u, 2.61860171e-08F, -1.76586971e-06F);
  p = fma(p, u, 5.11452379e-05F);
  p = fma(p, u, -8.43697492e-04F);
  p = fma(p, u, 8.91089757e-03F);
  p = fma(p, u, -6.48684112e-02F);
  p = fma(p, u, 3.98093470e-01F);
  return x * fma(near, p, 0.5F);
}

/// x Phi(x) (engine/kernels/gelu.h states the bound). Coefficients: weighted least squares on [0, 5.6], reweighted
/// towards the largest error, of Phi(x) - 1/2 = x P(x^2) / Q(x^2); 1.6e-9 before rounding to float.
[[gnu::always_inline]] inline Floats gelu(Floats x) {
  constexpr float kEnd = 5.6F;  // Phi(-5.6) = 1.1e-8: beyond it GELU is 0 or x
  const Floats u = x * x;
  Floats p = fma(u, -7.95084137e-11F, 5.44750485e-08F);
  p = fma(p, u, 8.56162205e-06F);
  p = fma(p, u, 1.68894112e-04F);
  p = fma(p, u, 4.80398769e-03F);
  p = fma(p, u, 3.25076841e-02F);
  p = fma(p, u, 3.98942292e-01F);
  Floats q = fma(u, 2.04419052e-06F, 8.20110508e-05F);
  q = fma(q, u, 1.92950119e-03F);
  q = fma(q, u, 2.83999592e-02F);
  q = fma(q, u, 2.48151585e-01F);
  q = fma(q, u, 1.0F);
  Floats phi = x * p / q + 0.5F;
  phi = x < -kEnd ? Floats{} : phi;
  phi = x > kEnd ? splat(1.0F) : phi;
  return x * phi;
}

}  // namespace
}  // namespace vitq::simd
