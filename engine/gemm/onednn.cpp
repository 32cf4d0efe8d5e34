#include "engine/gemm/onednn.h"

#include <dnnl.hpp>
#include <map>

#include "engine/gemm/byte_panels.h"
#include "engine/gemm/float_panels.h"
#include "engine/gemm/isa_cap.h"

namespace vitq {

namespace {

dnnl::cpu_isa effective() {
  cap_onednn();
  return dnnl::get_effective_cpu_isa();
}

// The values of oneDNN's sets are masks: a wider one contains all bits of those it includes.
bool includes(dnnl::cpu_isa needed) {
  const auto bits = static_cast<int>(needed);
  return (static_cast<int>(effective()) & bits) == bits;
}

}  // namespace

std::string onednn_version() {
  const auto* version = dnnl::version();
  return std::to_string(version->major) + "." + std::to_string(version->minor) + "." + std::to_string(version->patch);
}

std::string effective_isa() {
  using dnnl::cpu_isa;
  static const std::map<cpu_isa, std::string> kNames = {
    {cpu_isa::sse41, "SSE41"},
    {cpu_isa::avx, "AVX"},
    {cpu_isa::avx2, "AVX2"},
    {cpu_isa::avx2_vnni, "AVX2_VNNI"},
    {cpu_isa::avx512_core, "AVX512_CORE"},
    {cpu_isa::avx512_core_vnni, "AVX512_CORE_VNNI"},
    {cpu_isa::avx512_core_bf16, "AVX512_CORE_BF16"},
    {cpu_isa::avx512_core_amx, "AVX512_CORE_AMX"},
#if DNNL_VERSION_MAJOR >= 3
    {cpu_isa::avx512_core_fp16, "AVX512_CORE_FP16"},
    {cpu_isa::avx512_core_amx_fp16, "AVX512_CORE_AMX_FP16"},
    {cpu_isa::avx2_vnni_2, "AVX2_VNNI_2"},
#endif
  };
  const cpu_isa isa = effective();
  const auto name = kNames.find(isa);
  return name != kNames.end() ? name->second : "ISA_" + std::to_string(static_cast<int>(isa));
}

bool f32_rows_are_independent() { return FloatPanels::are_used() || includes(dnnl::cpu_isa::avx512_core); }

bool int8_saturates() {
  using dnnl::cpu_isa;
  if (BytePanels::are_used()) return false;
  const cpu_isa isa = effective();
  return isa == cpu_isa::sse41 || isa == cpu_isa::avx || isa == cpu_isa::avx2 || isa == cpu_isa::avx512_core;
}

int second_operand_bits() { return int8_saturates() ? 7 : 8; }

bool has_bf16() { return includes(dnnl::cpu_isa::avx512_core_bf16); }

}  // namespace vitq
