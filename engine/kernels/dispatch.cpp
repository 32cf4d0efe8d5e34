#include "engine/kernels/dispatch.h"

#include <atomic>

#include "engine/isa.h"
#include "engine/kernels/tables.h"

namespace vitq {

namespace {

std::atomic<const KernelTable*>& current() {
  static std::atomic<const KernelTable*> table = available_kernels().back();
  return table;
}

}  // namespace

const KernelTable& kernels() { return *current().load(std::memory_order_relaxed); }

std::vector<const KernelTable*> available_kernels() {
  const Isa most = isa();
  std::vector<const KernelTable*> tables = {&kSse4Kernels};
  if (most >= Isa::kAvx2) tables.push_back(&kAvx2Kernels);
  if (most >= Isa::kAvx512) tables.push_back(&kAvx512Kernels);
  // VBMI came with VNNI or after it: a CPU held to AVX512_CORE has neither.
  if (most >= Isa::kAvx512Vnni && has_vbmi()) tables.push_back(&kAvx512VbmiKernels);
  return tables;
}

KernelScope::KernelScope(const KernelTable& table) : previous_(current().exchange(&table)) {}
KernelScope::~KernelScope() { current() = previous_; }

}  // namespace vitq
