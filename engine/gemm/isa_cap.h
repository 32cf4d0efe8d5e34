#pragma once
// VITQ_ISA holds oneDNN too. For this folder only.

namespace vitq {

/// Holds oneDNN to isa_limit() (engine/isa.h), where there is one and ONEDNN_MAX_CPU_ISA does not ask for less. To be
/// called before anything that oneDNN answers by the CPU; does its work once. Throws Error where VITQ_ISA is none of
/// its values (kArgument), or this process has used oneDNN before, which then listens no more (kUnsupported).
void cap_onednn();

}  // namespace vitq
