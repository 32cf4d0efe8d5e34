#include "engine/gemm/isa_cap.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <dnnl.hpp>
#include <string>
#include <string_view>
#include <utility>

#include "engine/error.h"
#include "engine/isa.h"

namespace vitq {

namespace {

// What oneDNN's own variable asks for; the widest where it is not set, or to what is not known here.
Isa onednn_limit() {
  constexpr std::array kNames = {
      std::pair{std::string_view("SSE41"), Isa::kSse4},
      std::pair{std::string_view("AVX"), Isa::kSse4},
      std::pair{std::string_view("AVX2"), Isa::kAvx2},
      std::pair{std::string_view("AVX2_VNNI"), Isa::kAvx2},
      std::pair{std::string_view("AVX2_VNNI_2"), Isa::kAvx2},
      std::pair{std::string_view("AVX512_CORE"), Isa::kAvx512},
      std::pair{std::string_view("AVX512_CORE_VNNI"), Isa::kAvx512Vnni},
      std::pair{std::string_view("AVX512_CORE_BF16"), Isa::kAvx512Bf16},
  };
  const char* value = std::getenv("ONEDNN_MAX_CPU_ISA");
  if (value == nullptr) value = std::getenv("DNNL_MAX_CPU_ISA");
  if (value == nullptr) return Isa::kAmx;
  std::string name(value);  // in any case, as oneDNN reads it
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  const auto* found = std::ranges::find(kNames, name, [](const auto& entry) { return entry.first; });
  return found == kNames.end() ? Isa::kAmx : found->second;
}

dnnl::cpu_isa as_onednn(Isa isa) {
  switch (isa) {
    case Isa::kSse4:
      return dnnl::cpu_isa::sse41;
    case Isa::kAvx2:
      return dnnl::cpu_isa::avx2;
    case Isa::kAvx512:
      return dnnl::cpu_isa::avx512_core;
    case Isa::kAvx512Vnni:
      return dnnl::cpu_isa::avx512_core_vnni;
    case Isa::kAvx512Bf16:
      return dnnl::cpu_isa::avx512_core_bf16;
    case Isa::kAmx:
      break;
  }
  return dnnl::cpu_isa::avx512_core_amx;
}

bool cap() {
  const auto limit = isa_limit();
  if (!limit || onednn_limit() < *limit) return false;
  check(dnnl::set_max_cpu_isa(as_onednn(*limit)) == dnnl::status::success, ErrorCode::kUnsupported,
        "VITQ_ISA: oneDNN cannot be held to ", name_of(*limit), ", for this process has used it before");
  return true;
}

}  // namespace

void cap_onednn() { static const bool kIsCapped [[maybe_unused]] = cap(); }

}  // namespace vitq
