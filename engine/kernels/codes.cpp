#include "engine/kernels/codes.h"

#include "engine/error.h"

namespace vitq {

rows::Codes codes_of(const Encoding& encoding) {
  check(encoding.scale > 0.0F && encoding.bits >= 2 && encoding.bits <= 8, "requantize: scale ", encoding.scale,
        " with ", encoding.bits, " bits; expected a positive scale and 2 to 8 bits");
  check(encoding.code_book == nullptr || (encoding.dtype == DType::kU8 && encoding.bits == 8), "requantize: found ",
        encoding, "; expected u8 of 8 bits with one");
  return {.inverse = 1.0F / encoding.scale,
          .zero_point = static_cast<float>(encoding.zero_point),
          .least = static_cast<float>(encoding.least_code()),
          .most = static_cast<float>(encoding.most_code()),
          .gelu_end = rows::kRoughGeluEnd};
}

void check_values(const Tensor& sums, const PerColumn& values, const char* who) {
  check(sums.encoding.dtype == DType::kS32 && sums.rank == 2 && sums.strides[1] == 1, who,
        ": expected an s32 matrix of sums, found ", name_of(sums.encoding.dtype), " of rank ", sums.rank);
  check(std::ssize(values.multiplier) == sums.columns() && std::ssize(values.offset) == sums.columns(), who, ": ",
        values.multiplier.size(), " multipliers and ", values.offset.size(), " offsets for ", sums.columns(),
        " columns");
}

}  // namespace vitq
