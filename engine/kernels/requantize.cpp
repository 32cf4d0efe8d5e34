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
  requantize(sums, values, {}, dst, epilogue);
}

void requantize(const Tensor& sums, const PerColumn& values, const RowScales& scales, const Tensor& dst,
                Epilogue epilogue) {
  check_values(sums, values, "requantize");
  check(scales.scale == nullptr || (dst.encoding == kFloat && std::ssize(scales.bias) == sums.columns()),
        "requantize: rows with scales become f32 with a bias for each column, found ", name_of(dst.encoding.dtype),
        " and a bias of ", scales.bias.size());
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
                             .codes = to == DType::kU8 ? codes_of(dst.encoding) : rows::Codes{},
                             .row_scale = scales.scale,
                             .bias = scales.bias.data()};
  const KernelTable& table = kernels();
  parallel_for(sums.rows(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    if (to == DType::kF32) {
      (all.row_scale != nullptr ? table.scaled_sums_to_floats : table.sums_to_floats)(all, begin, end);
      return;
    }
    for_looked_up_rows(table, dst, begin, end,
                       [&](std::int64_t first, std::int64_t last) { table.sums_to_codes(all, first, last); });
  });
}

void quantize_rows(const Tensor& src, const Tensor& dst) {
  check(src.encoding == kFloat && dst.encoding.dtype == DType::kU8 && dst.encoding.row_scales &&
            dst.row_scales != nullptr && dst.encoding.code_book == nullptr,
        "quantize_rows: expected f32 -> u8 with a scale for each row, found ", src.encoding, " -> ", dst.encoding);
  check(src.rank == 2 && dst.rank == 2 && src.rows() == dst.rows() && src.columns() == dst.columns() &&
            src.strides[1] == 1 && dst.strides[1] == 1,
        "quantize_rows: shapes do not fit");
  const auto most = static_cast<float>(dst.encoding.most_code());
  const auto zero = static_cast<float>(dst.encoding.zero_point);
  check(zero >= 0 && zero < most, "quantize_rows: zero point ", dst.encoding.zero_point, ", expected 0 to ",
        dst.encoding.most_code() - 1);
  constexpr float kLeastScale = 1e-12F;  // of a row of zeros: its inverse is a number still
  const rows::QuantizeRows all{.src = src.f32(),
                               .dst = dst.u8(),
                               .scales = dst.row_scales,
                               .columns = src.columns(),
                               .src_stride = src.strides[0],
                               .dst_stride = dst.strides[0],
                               .above = 1.0F / (most - zero),
                               .below = zero > 0 ? 1.0F / zero : 0.0F,
                               .least_scale = kLeastScale,
                               .codes = codes_of(dst.encoding)};
  const auto kernel = kernels().quantize_rows;
  parallel_for(src.rows(), kGrain, [&](std::int64_t begin, std::int64_t end) { kernel(all, begin, end); });
}

void quantize(const Tensor& src, const Tensor& dst) {
  if (dst.encoding.row_scales) {
    quantize_rows(src, dst);
    return;
  }
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
