#pragma once
// What kernels that write codes check and make ready in the same way.

#include "engine/kernels/arguments.h"
#include "engine/kernels/dispatch.h"
#include "engine/kernels/requantize.h"
#include "engine/tensor.h"

namespace vitq {

/// Throws Error where `encoding` has no codes.
rows::Codes codes_of(const Encoding& encoding);

/// Throws Error, in the name of `who`, where there is not a multiplier and an offset for each column of s32 sums.
void check_values(const Tensor& sums, const PerColumn& values, const char* who);

/// emit(begin, end) writes rows of dst. With a code book row by row, so that each is looked up while it is in the L1
/// cache. Not in the kernels: they stay, to the instruction, what they are for rows without a book.
template <class Emit>
void for_looked_up_rows(const KernelTable& table, const Tensor& dst, std::int64_t begin, std::int64_t end,
                        Emit&& emit) {
  const std::uint8_t* code_book = dst.encoding.code_book;
  if (code_book == nullptr) {
    emit(begin, end);
    return;
  }
  for (std::int64_t i = begin; i < end; ++i) {
    emit(i, i + 1);
    table.look_up(code_book, dst.u8() + i * dst.strides[0], dst.columns());
  }
}

}  // namespace vitq
