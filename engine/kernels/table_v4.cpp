// This unit is compiled for x86-64-v4 (CMakeLists.txt).
#include "engine/kernels/rows/table.h"
#include "engine/kernels/tables.h"

namespace vitq {

constinit const KernelTable kAvx512Kernels = rows::table("avx512", rows::look_up);
constinit const KernelTable kAvx512VbmiKernels = rows::table("avx512_vbmi", rows::look_up_vbmi);

}  // namespace vitq
