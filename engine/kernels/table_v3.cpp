// This unit is compiled for x86-64-v3 (CMakeLists.txt).
#include "engine/kernels/rows/table.h"
#include "engine/kernels/tables.h"

namespace vitq {

constinit const KernelTable kAvx2Kernels = rows::table("avx2", rows::look_up);

}  // namespace vitq
