#include "engine/kernels/requantize.h"

#include "engine/error.h"
#include "engine/kernels/codes.h"
#include "engine/kernels/dispatch.h"
#include "engine/threads.h"

namespace vitq {

namespace {

constexpr std::int64_t kGrain = 16;  // rows that are worth a thread

}  // namespace

void requantize(const Tensor& sums, const PerColumn& values, const Tensor& dst, Epilogue epilogue) {
  check_values(sums, values, "requantize");
  const DType to = dst.encoding.dtype;
  check(to == DType::kU8 || dst.encoding == kFloat, "requantize: expected f32 or u8, found ", name_of(to));
  check(dst.rank == 2 && dst.rows() == sums.rows() && dst.columns() == sums.columns() && dst.strides[1] == 1,
        "requantize: expected [", sums.rows(), ", ", sums.columns(), "], found [", dst.rows(), ", ", dst.columns(),
        "]");
  check(to == DType::kF32 || epilogue != Epilogue::kAccumulate, "requantize: only f32 can be added to, not ",
        name_of(to));
  const rows::Requantize all{.sums = sums.s32(),
                             .multiplier = values.multiplier.data(),
                             .offset = values.offset.data(),
                             .dst = dst.data,
                             .columns = sums.columns(),
                             .sums_stride = sums.strides[0],
                             .dst_stride = dst.strides[0],
                             .epilogue = epilogue,
                             .codes = to == DType::kU8 ? codes_of(dst.encoding) : rows::Codes{}};
  const KernelTable& table = kernels();
  parallel_for(sums.rows(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    if (to == DType::kF32) {
      table.sums_to_floats(all, begin, end);
      return;
    }
    for_looked_up_rows(table, dst, begin, end,
                       [&](std::int64_t first, std::int64_t last) { table.sums_to_codes(all, first, last); });
  });
}

void quantize(const Tensor& src, const Tensor& dst) {
  const bool rounds = dst.encoding == kBfloat16;
  check(src.encoding == kFloat && (rounds || size_of(dst.encoding.dtype) == 1),
        "quantize: expected f32 -> u8, s8 or bf16, found ", name_of(src.encoding.dtype), " -> ",
        name_of(dst.encoding.dtype));
  check(src.rank == 2 && dst.rank == 2 && src.rows() == dst.rows() && src.columns() == dst.columns() &&
            src.strides[1] == 1 && dst.strides[1] == 1,
        "quantize: shapes do not fit");
  const rows::Quantize all{src.f32(),      dst.data,       src.columns(),
                           src.strides[0], dst.strides[0], rounds ? rows::Codes{} : codes_of(dst.encoding)};
  const KernelTable& table = kernels();
  parallel_for(src.rows(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    if (rounds) {
      table.round_to_bf16(all, begin, end);
      return;
    }
    for_looked_up_rows(table, dst, begin, end,
                       [&](std::int64_t first, std::int64_t last) { table.quantize(all, first, last); });
  });
}

}  // namespace vitq
