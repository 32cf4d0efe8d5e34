#pragma once
// Instruction sets, as far as they make a difference here, and the one limit to them: the environment variable
// VITQ_ISA.

#include <cstdint>
#include <optional>
#include <string_view>

namespace vitq {

/// What a CPU has, each with all before it.
enum class Isa : std::uint8_t {
  kSse4,        ///< x86-64-v2: the least that vitq runs on
  kAvx2,        ///< x86-64-v3: AVX2 and FMA
  kAvx512,      ///< x86-64-v4: AVX-512 F, BW, CD, DQ and VL; oneDNN calls it AVX512_CORE
  kAvx512Vnni,  ///< products of bytes
  kAvx512Bf16,  ///< products of bf16
  kAmx,         ///< the same of tiles
};

/// "sse4", "avx2", "avx512", "avx512_vnni", "avx512_bf16" or "amx".
std::string_view name_of(Isa isa);

/// The widest of them that this CPU (and its operating system) has.
Isa cpu_isa();

/// What VITQ_ISA says, one of the names above in any case; nothing where it is not set or empty. Read once. Throws
/// Error where it is something else.
std::optional<Isa> isa_limit();

/// The lesser of the two: what may be used. Throws as isa_limit.
Isa isa();

/// True where the CPU shuffles bytes among registers (AVX512_VBMI), which goes with no one of the above.
bool has_vbmi();

}  // namespace vitq
