#pragma once
// What oneDNN is and can do on this machine: its version, the instruction set in effect, and what follows from that.

#include <string>

namespace vitq {

/// "2.6.3": the oneDNN library at run time.
std::string onednn_version();

/// The widest instruction set oneDNN will use here, as it names it: "AVX512_CORE_VNNI". It follows the CPU and the
/// environment variables VITQ_ISA and ONEDNN_MAX_CPU_ISA.
std::string effective_isa();

/// True where a row of an f32 product has the same bits whatever rows stand beside it and however many threads work:
/// from AVX512_CORE on, oneDNN's kernels sum over the inputs in one fixed order. Below, its gemm cuts that sum by the
/// number of rows, and results differ by rounding (relative 1e-5 at most, tests/small_models.h), but with AVX2 nothing
/// is left to it (FloatPanels, operand_panels.h). bf16 products have it wherever there are any; integer
/// products are exact everywhere.
bool f32_rows_are_independent();

/// True where oneDNN multiplies bytes without VNNI or AMX: it then adds pairs of products in 16 bits, which saturate,
/// silently, unless every element of the second operand (weights, k, v) lies in [-64, 64]. The first may be anything.
/// With AVX2 bytes are not left to it (BytePanels, operand_panels.h).
bool int8_saturates();

/// Bits of the s8 codes of k and v that are sure to be multiplied exactly: 8, or 7 where int8_saturates(). q may always
/// have 8.
int second_operand_bits();

/// True where oneDNN multiplies bf16 in hardware (AVX512_CORE_BF16, AMX). Without, 2.6.3 emulates it from AVX512_CORE
/// on, four to six times slower than f32, and cannot below.
bool has_bf16();

}  // namespace vitq
