#include "engine/isa.h"

#include <cpuid.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <string>

#include "engine/error.h"

namespace vitq {

namespace {

constexpr std::array kNames = {
    std::pair{Isa::kSse4, std::string_view("sse4")},
    std::pair{Isa::kAvx2, std::string_view("avx2")},
    std::pair{Isa::kAvx512, std::string_view("avx512")},
    std::pair{Isa::kAvx512Vnni, std::string_view("avx512_vnni")},
    std::pair{Isa::kAvx512Bf16, std::string_view("avx512_bf16")},
    std::pair{Isa::kAmx, std::string_view("amx")},
};

std::optional<Isa> parsed(const char* value) {
  if (value == nullptr || *value == '\0') return {};
  std::string name(value);
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  std::string known;
  for (const auto& [isa, called] : kNames) {
    if (name == called) return isa;
    known += (known.empty() ? "" : ", ") + std::string(called);
  }
  fail("VITQ_ISA is \"", value, "\", expected one of ", known);
}

// From the CPU itself: clang 14 has no name for it in __builtin_cpu_supports. (Whether Linux lets a process use the
// tiles, oneDNN asks.)
bool has_amx() {
  constexpr unsigned kFeatures = 7;
  constexpr unsigned kTileInt8 = 1U << 25;
  constexpr unsigned kTileBf16 = 1U << 22;
  unsigned eax = 0;
  unsigned ebx = 0;
  unsigned ecx = 0;
  unsigned edx = 0;
  if (__get_cpuid_count(kFeatures, 0, &eax, &ebx, &ecx, &edx) == 0) return false;
  return (edx & kTileInt8) != 0 && (edx & kTileBf16) != 0;
}

Isa detected() {
  __builtin_cpu_init();
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
                  __builtin_cpu_supports("bmi2");  // whatever has these has the rest of x86-64-v3
  if (!v3) return Isa::kSse4;
  const bool v4 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                  __builtin_cpu_supports("avx512vl");
  if (!v4) return Isa::kAvx2;
  if (!__builtin_cpu_supports("avx512vnni")) return Isa::kAvx512;
  if (!__builtin_cpu_supports("avx512bf16")) return Isa::kAvx512Vnni;
  return has_amx() ? Isa::kAmx : Isa::kAvx512Bf16;
}

}  // namespace

std::string_view name_of(Isa isa) {
  return std::ranges::find(kNames, isa, [](const auto& entry) { return entry.first; })->second;
}

Isa cpu_isa() {
  static const Isa kFound = detected();
  return kFound;
}

std::optional<Isa> isa_limit() {
  static const std::optional<Isa> kLimit = parsed(std::getenv("VITQ_ISA"));
  return kLimit;
}

Isa isa() { return std::min(cpu_isa(), isa_limit().value_or(cpu_isa())); }

bool has_vbmi() { return __builtin_cpu_supports("avx512vbmi") != 0; }

}  // namespace vitq
