#pragma once
// The tables there are; dispatch.h says which of them run. Only dispatch.cpp and the units that define them include
// this file.

#include "engine/kernels/dispatch.h"

namespace vitq {

extern const KernelTable kSse4Kernels;        // table_v2.cpp
extern const KernelTable kAvx2Kernels;        // table_v3.cpp: AVX2 and FMA
extern const KernelTable kAvx512Kernels;      // table_v4.cpp: AVX-512 F, BW, CD, DQ and VL
extern const KernelTable kAvx512VbmiKernels;  // table_v4.cpp: the same and a look-up of codes with VBMI

}  // namespace vitq
