// The row kernels of every CPU: this unit is compiled for the base line, x86-64-v2.
#include "engine/kernels/rows/table.h"
#include "engine/kernels/tables.h"

namespace vitq {

constinit const KernelTable kSse4Kernels = rows::table("sse4", rows::look_up);

}  // namespace vitq
