#pragma once
// Sixteen floats at a time: one register of AVX-512, or a pair of halves, down to what the unit is compiled for (two of
// AVX2, four of SSE). Every instruction set computes the same bits: sums are kept in sixteen lanes and folded in one
// fixed order, a product that is added to is rounded once where fma() says so and nowhere else (-ffp-contract=off), and
// x86-64-v2, which has no such instruction, computes it from doubles. Why pairs and not GCC's vectors of any width: it
// takes those that are too wide apart lane by lane wherever they are compared or shuffled.
//
// Only the loops in rows/ include this file. They are compiled once for each instruction set, and the linker keeps one
// of several inline functions of the same name, whichever it likes: so all that stands here and there has internal
// linkage, and none of it calls an inline function of the standard library (tests/kernel_symbols.sh looks).

#include <immintrin.h>

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "engine/kernels/arguments.h"

namespace vitq::simd {
namespace {

inline constexpr std::int64_t kLanes = kVectorLanes;

#if defined(__AVX512F__)
inline constexpr int kRegister = 64;  // bytes
#elif defined(__AVX2__)
inline constexpr int kRegister = 32;
#else
inline constexpr int kRegister = 16;
#endif

template <class Half>
struct Pair {
  Half low, high;
};

template <class T, int kBytes>
struct Wide {
  using Type = Pair<typename Wide<T, kBytes / 2>::Type>;
};
template <class T>
struct Wide<T, kRegister> {
  using Type [[gnu::vector_size(kRegister)]] = T;
};

using Floats = Wide<float, kLanes * sizeof(float)>::Type;
using Ints = Wide<std::int32_t, kLanes * sizeof(std::int32_t)>::Type;
using Words = Wide<std::uint32_t, kLanes * sizeof(std::uint32_t)>::Type;

template <class Vector>
constexpr bool kIsPair = std::is_class_v<Vector>;

/// Elements of a vector, all of which are four bytes wide.
template <class Vector>
constexpr std::int64_t kCount = sizeof(Vector) / sizeof(float);

// What a register can do, a pair does with both halves; `b` is another vector, or a number for all lanes.

template <class Half, class B>
[[gnu::always_inline]] inline auto low_of(const Pair<Half>& /*a*/, const B& b) {
  if constexpr (kIsPair<B>) {
    return b.low;
  } else {
    return b;
  }
}
template <class Half, class B>
[[gnu::always_inline]] inline auto high_of(const Pair<Half>& /*a*/, const B& b) {
  if constexpr (kIsPair<B>) {
    return b.high;
  } else {
    return b;
  }
}
template <class Half>
[[gnu::always_inline]] inline Pair<Half> paired(Half low, Half high) {
  return {low, high};
}

template <class Half, class B>
[[gnu::always_inline]] inline auto operator+(Pair<Half> a, B b) {
  return paired(a.low + low_of(a, b), a.high + high_of(a, b));
}
template <class Half, class B>
[[gnu::always_inline]] inline auto operator-(Pair<Half> a, B b) {
  return paired(a.low - low_of(a, b), a.high - high_of(a, b));
}
template <class Half, class B>
[[gnu::always_inline]] inline auto operator*(Pair<Half> a, B b) {
  return paired(a.low * low_of(a, b), a.high * high_of(a, b));
}
template <class Half, class B>
[[gnu::always_inline]] inline auto operator/(Pair<Half> a, B b) {
  return paired(a.low / low_of(a, b), a.high / high_of(a, b));
}
template <class Half, class B>
[[gnu::always_inline]] inline auto operator<(Pair<Half> a, B b) {
  return paired(a.low < low_of(a, b), a.high < high_of(a, b));
}
template <class Half, class B>
[[gnu::always_inline]] inline auto operator>(Pair<Half> a, B b) {
  return paired(a.low > low_of(a, b), a.high > high_of(a, b));
}
template <class Half, class B>
[[gnu::always_inline]] inline auto operator>=(Pair<Half> a, B b) {
  return paired(a.low >= low_of(a, b), a.high >= high_of(a, b));
}
template <class Half, class B>
[[gnu::always_inline]] inline auto operator&(Pair<Half> a, B b) {
  return paired(a.low & low_of(a, b), a.high & high_of(a, b));
}
template <class Half, class B>
[[gnu::always_inline]] inline auto operator|(Pair<Half> a, B b) {
  return paired(a.low | low_of(a, b), a.high | high_of(a, b));
}
template <class Half, class B>
[[gnu::always_inline]] inline auto operator<<(Pair<Half> a, B b) {
  return paired(a.low << low_of(a, b), a.high << high_of(a, b));
}
template <class Half, class B>
[[gnu::always_inline]] inline auto operator>>(Pair<Half> a, B b) {
  return paired(a.low >> low_of(a, b), a.high >> high_of(a, b));
}
template <class Half, class B>
[[gnu::always_inline]] inline Pair<Half>& operator+=(Pair<Half>& a, B b) {
  return a = a + b;
}
template <class Half, class B>
[[gnu::always_inline]] inline Pair<Half>& operator-=(Pair<Half>& a, B b) {
  return a = a - b;
}
template <class Half, class B>
[[gnu::always_inline]] inline Pair<Half>& operator*=(Pair<Half>& a, B b) {
  return a = a * b;
}

/// a where the mask is set, else b.
template <class Mask, class Vector>
[[gnu::always_inline]] inline Vector select(Mask mask, Vector a, Vector b) {
  if constexpr (kIsPair<Vector>) {
    return {select(mask.low, a.low, b.low), select(mask.high, a.high, b.high)};
  } else {
    return mask ? a : b;
  }
}

/// The larger of each lane, or of two numbers; b where one is NaN. (Not by select: of a mask GCC 12 makes no maximum.)
template <class Vector>
[[gnu::always_inline]] inline Vector larger(Vector a, Vector b) {
  if constexpr (kIsPair<Vector>) {
    return {larger(a.low, b.low), larger(a.high, b.high)};
  } else {
    return a > b ? a : b;
  }
}
template <class Vector>
[[gnu::always_inline]] inline Vector smaller(Vector a, Vector b) {
  if constexpr (kIsPair<Vector>) {
    return {smaller(a.low, b.low), smaller(a.high, b.high)};
  } else {
    return a < b ? a : b;
  }
}

/// A vector of a row: all its lanes, or the first `count` of them. Of a part the other lanes are read as 0 and not
/// written.
struct Whole {
  static constexpr std::int64_t count = kLanes;  // NOLINT(readability-identifier-naming): as that of a Part
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
[[gnu::always_inline]] inline Vector read(const T* from, Whole lanes) {
  if constexpr (kIsPair<Vector>) {
    using Half = decltype(Vector::low);
    return {read<Half>(from, lanes), read<Half>(from + kCount<Half>, lanes)};
  } else {
    Vector x;
    std::memcpy(&x, from, sizeof(x));
    return x;
  }
}

template <class Vector, class T>
[[gnu::always_inline]] inline Vector read(const T* from, Part lanes) {
  T whole[kLanes]{};
  std::memcpy(whole, from, lanes.count * sizeof(T));
  return read<Vector>(whole, Whole{});
}

/// The lanes, converted to T (of integers the low bits).
template <class T, class Vector>
[[gnu::always_inline]] inline void write(Vector x, T* to, Whole lanes) {
  if constexpr (kIsPair<Vector>) {
    write(x.low, to, lanes);
    write(x.high, to + kCount<Vector> / 2, lanes);
  } else {
    using Narrow [[gnu::vector_size(kRegister / sizeof(float) * sizeof(T))]] = T;
    const Narrow narrow = __builtin_convertvector(x, Narrow);
    std::memcpy(to, &narrow, sizeof(narrow));
  }
}

template <class T, class Vector>
[[gnu::always_inline]] inline void write(Vector x, T* to, Part lanes) {
  T whole[kLanes];
  write(x, whole, Whole{});
  std::memcpy(to, whole, lanes.count * sizeof(T));
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

template <class Vector = Floats>
[[gnu::always_inline]] inline Vector splat(float value) {
  if constexpr (kIsPair<Vector>) {
    const auto half = splat<decltype(Vector::low)>(value);
    return {half, half};
  } else {
    return value - Vector{};
  }
}

/// The bits of one as the other.
template <class To, class From>
[[gnu::always_inline]] inline To bits_as(From from) {
  static_assert(sizeof(To) == sizeof(From));
  if constexpr (kIsPair<To>) {
    return {bits_as<decltype(To::low)>(from.low), bits_as<decltype(To::low)>(from.high)};
  } else {
    To to;
    std::memcpy(&to, &from, sizeof(to));
    return to;
  }
}

/// As floats, rounded as the hardware does (exact below 2^24).
template <class Vector = Floats, class From>
[[gnu::always_inline]] inline Vector converted(From x) {
  if constexpr (kIsPair<From>) {
    using Half = decltype(Vector::low);
    return {converted<Half>(x.low), converted<Half>(x.high)};
  } else {
    return __builtin_convertvector(x, Vector);
  }
}

#if defined(__AVX512F__)

[[gnu::always_inline]] inline __m512 fma(__m512 a, __m512 b, __m512 c) { return _mm512_fmadd_ps(a, b, c); }

#elif defined(__FMA__)

[[gnu::always_inline]] inline __m256 fma(__m256 a, __m256 b, __m256 c) { return _mm256_fmadd_ps(a, b, c); }

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

#endif

/// a * b + c, rounded once.
template <class Half>
[[gnu::always_inline]] inline Pair<Half> fma(Pair<Half> a, Pair<Half> b, Pair<Half> c) {
  return {fma(a.low, b.low, c.low), fma(a.high, b.high, c.high)};
}

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
  return smaller(larger(x, splat(least)), splat(most));
}

// The low bytes of all lanes: GCC 12 takes a conversion to bytes apart lane by lane where it is not one instruction.
#if defined(__AVX512F__)
[[gnu::always_inline]] inline auto bytes_of(Ints x) {
  using Bytes [[gnu::vector_size(kLanes)]] = std::uint8_t;
  return __builtin_convertvector(x, Bytes);
}
#elif defined(__AVX2__)
[[gnu::always_inline]] inline __m128i bytes_of(Ints x) {
  constexpr int kEvenThenOdd = 0xd8;  // a pack takes from both operands by turns, 128 bits at a time
  x = x & 0xff;
  const __m256i packed = _mm256_packus_epi32(bits_as<__m256i>(x.low), bits_as<__m256i>(x.high));
  const __m256i words = _mm256_permute4x64_epi64(packed, kEvenThenOdd);
  return _mm_packus_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
}
#else
[[gnu::always_inline]] inline __m128i bytes_of(Ints x) {
  x = x & 0xff;
  const auto words = [](const auto& half) {
    return _mm_packus_epi32(bits_as<__m128i>(half.low), bits_as<__m128i>(half.high));
  };
  return _mm_packus_epi16(words(x.low), words(x.high));
}
#endif

/// The low byte of each lane: a u8 code or, in two's complement, an s8 one.
template <class Lanes = Whole>
[[gnu::always_inline]] inline void store_bytes(Ints x, void* to, Lanes lanes = {}) {
  const auto bytes = bytes_of(x);
  std::memcpy(to, &bytes, lanes.count);
}

/// Sixteen bf16, rounded half to even, infinity beyond the largest; a NaN stays one, quiet. Denormals are kept.
template <class Lanes = Whole>
[[gnu::always_inline]] inline void store_bf16(Floats x, std::uint16_t* to, Lanes lanes = {}) {
  constexpr std::uint32_t kAlmostHalf = 0x7fff;
  constexpr std::uint32_t kQuiet = 0x400000;
  constexpr std::uint32_t kInfinity = 0xff000000;  // without the sign, which is shifted out
  Words bits = bits_as<Words>(x);
  const Words rounded = bits + kAlmostHalf + ((bits >> 16) & 1);
  bits = select((bits << 1) > kInfinity, bits | kQuiet, rounded);
  write(bits >> 16, to, lanes);
}

/// The lanes of a register `kBy` further on, around the end.
template <int kBy, class Vector>
[[gnu::always_inline]] inline Vector rotated(Vector x) {
  constexpr int kMask = kCount<Vector> - 1;
  if constexpr (kMask == 3) {
    return __builtin_shufflevector(x, x, kBy & 3, (1 + kBy) & 3, (2 + kBy) & 3, (3 + kBy) & 3);
  } else if constexpr (kMask == 7) {
    return __builtin_shufflevector(x, x, kBy & 7, (1 + kBy) & 7, (2 + kBy) & 7, (3 + kBy) & 7, (4 + kBy) & 7,
                                   (5 + kBy) & 7, (6 + kBy) & 7, (7 + kBy) & 7);
  } else {
    return __builtin_shufflevector(x, x, kBy, 1 + kBy, 2 + kBy, 3 + kBy, 4 + kBy, 5 + kBy, 6 + kBy, 7 + kBy, 8 + kBy,
                                   9 + kBy, 10 + kBy, 11 + kBy, 12 + kBy, 13 + kBy, 14 + kBy, 15 + kBy);
  }
}

/// Each lane becomes the one beside it, two by two.
template <class Vector>
[[gnu::always_inline]] inline Vector neighbours_of(Vector x) {
  if constexpr (kIsPair<Vector>) {
    return {neighbours_of(x.low), neighbours_of(x.high)};
  } else if constexpr (kCount<Vector> == 4) {
    return __builtin_shufflevector(x, x, 1, 0, 3, 2);
  } else if constexpr (kCount<Vector> == 8) {
    return __builtin_shufflevector(x, x, 1, 0, 3, 2, 5, 4, 7, 6);
  } else {
    return __builtin_shufflevector(x, x, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
  }
}

/// All lanes in one number, halves first: ((0+8)+(4+12)) + ... in a fixed order. `both` takes two vectors, or numbers.
template <class Vector, class Both>
[[gnu::always_inline]] inline auto folded(Vector x, const Both& both) {
  if constexpr (kIsPair<Vector>) {
    return folded(both(x.low, x.high), both);
  } else {
    if constexpr (kCount<Vector> >= 16) x = both(x, rotated<8>(x));
    if constexpr (kCount<Vector> >= 8) x = both(x, rotated<4>(x));
    x = both(x, rotated<2>(x));
    return both(x[0], x[1]);
  }
}

template <class Vector>
[[gnu::always_inline]] inline auto sum(Vector x) {
  return folded(x, [](auto a, auto b) { return a + b; });
}

template <class Vector>
[[gnu::always_inline]] inline auto max(Vector x) {
  return folded(x, [](auto a, auto b) { return larger(a, b); });
}

/// exp(x) for x <= 0; relative error at most 2^-22 for x >= -87, and exactly 0 below it (no denormals).
/// Cody-Waite reduction by ln 2 in two parts, then a degree-6 polynomial on [-ln2/2, ln2/2] (Cephes expf coefficients).
[[gnu::always_inline]] inline Floats exp_of_negative(Floats x) {
  constexpr float kLog2E = 1.44269504F;
  constexpr float kLn2High = 0.693359375F;
  constexpr float kLn2Low = -2.12194440e-4F;
  constexpr float kRound = 12582912.0F;  // 1.5 * 2^23: adding it rounds to an integer, kept in the low mantissa bits
  const Ints underflow = x < -87.0F;
  x = select(underflow, Floats{}, x);
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
  return select(underflow, Floats{}, p * power);
}

/// round(255 2^x) for x <= 0 (NaN: 0). A degree-4 polynomial on [-1/2, 1/2], minimax in the relative error, which is
/// 2.8e-6: before rounding 0.0008 off at most. least: kLeastPower, in a variable (see clamp).
[[gnu::always_inline]] inline Ints codes_of_power(Floats x, float least) {
  constexpr float kRound = 12582912.0F;
  x = larger(x, splat(least));
  const Floats shifted = x + kRound;
  const Floats f = x - (shifted - kRound);
  Floats p = fma(f, 2.44363173F, 14.2561493F);
  p = fma(p, f, 61.2614514F);
  p = fma(p, f, 176.746668F);
  p = fma(p, f, 255.0F);
  // p 2^n: of `shifted` the shift leaves n alone.
  return round(bits_as<Floats>(bits_as<Ints>(p) + (bits_as<Ints>(shifted) << 23)));
}

/// 1 / (1 + exp(-x)); relative error at most 3e-7 above -87, 0 below.
[[gnu::always_inline]] inline Floats sigmoid(Floats x) {
  const Floats e = exp_of_negative(smaller(x, x * -1.0F));
  return select(x < 0.0F, e, splat(1.0F)) / (e + 1.0F);
}

// The activations of these names (arguments.h), as engine/kernels/activation.h states it.

[[gnu::always_inline]] inline Floats silu(Floats x) { return x * sigmoid(x); }

[[gnu::always_inline]] inline Floats quick_gelu(Floats x) { return x * sigmoid(x * 1.702F); }

[[gnu::always_inline]] inline Floats tanh_gelu(Floats x) {
  constexpr float kLinear = 1.59576912F;  // 2 sqrt(2 / pi): (1 + tanh(y)) / 2 = sigmoid(2 y)
  constexpr float kCubic = 0.044715F * kLinear;
  return x * sigmoid(x * fma(x * x, kCubic, kLinear));
}

/// x S(x), 1.9e-4 off at most, for what is rounded to codes anyway: S(x) - 1/2 = x P(x^2) up to the end, with the
/// minimax P for x S(x) that makes S 1 there. end: kRoughGeluEnd, in a variable (see clamp); p: from u^6 down.
[[gnu::always_inline]] inline Floats rough(float end, Floats x, const float (&p)[7]) {
  const Floats near = clamp(-end, end, x);
  const Floats u = near * near;
  Floats sum = fma(u, p[0], p[1]);
  for (int i = 2; i < 7; ++i) sum = fma(sum, u, p[i]);
  return x * fma(near, sum, 0.5F);
}

[[gnu::always_inline]] inline Floats rough_gelu(float end, Floats x) {
  constexpr float kPhi[] = {2.61860171e-08F, -1.76586971e-06F, 5.11452379e-05F, -8.43697492e-04F,
                            8.91089757e-03F, -6.48684112e-02F, 3.98093470e-01F};
  return rough(end, x, kPhi);
}

[[gnu::always_inline]] inline Floats rough_tanh_gelu(float end, Floats x) {
  constexpr float kSigmoid[] = {2.75701929e-08F, -1.84334227e-06F, 5.28135983e-05F, -8.60607393e-04F,
                                8.98655004e-03F, -6.49488729e-02F, 3.97953909e-01F};
  return rough(end, x, kSigmoid);
}

/// x Phi(x) (engine/kernels/activation.h states the bound). Coefficients: weighted least squares on [0, 5.6],
/// reweighted towards the largest error, of Phi(x) - 1/2 = x P(x^2) / Q(x^2); 1.6e-9 before rounding to float.
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
  phi = select(x < -kEnd, Floats{}, phi);
  phi = select(x > kEnd, splat(1.0F), phi);
  return x * phi;
}

}  // namespace
}  // namespace vitq::simd
