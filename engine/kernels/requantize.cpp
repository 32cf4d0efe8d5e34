#include "engine/kernels/requantize.h"

#include <algorithm>
#include <cstddef>

#include "engine/error.h"
#include "engine/kernels/code_book.h"
#include "engine/kernels/codes.h"
#include "engine/kernels/simd.h"
#include "engine/threads.h"

namespace vitq {

namespace {

using simd::Floats;
using simd::Ints;
using simd::kLanes;

struct Rows {
  const std::int32_t* sums;
  const float* multiplier;
  const float* offset;
  void* dst;
  std::int64_t columns, sums_stride, dst_stride;
  Codes codes;
};

template <Epilogue kEpilogue>
[[gnu::always_inline]] inline void row_to_float(const std::int32_t* sums, const Rows& all, float* dst) {
  Floats x;
  Floats before;
  std::int64_t c = 0;
  for (; c + kLanes <= all.columns; c += kLanes) {
    value_of(sums + c, all.multiplier + c, all.offset + c, x);
    if constexpr (kEpilogue == Epilogue::kGelu) simd::gelu(x);
    if constexpr (kEpilogue == Epilogue::kAccumulate) {
      simd::load(dst + c, before);
      x += before;
    }
    simd::store(x, dst + c);
  }
  const std::int64_t rest = all.columns - c;
  if (rest == 0) return;
  value_of(Tail(sums + c, rest).lanes, Tail(all.multiplier + c, rest).lanes, Tail(all.offset + c, rest).lanes, x);
  if constexpr (kEpilogue == Epilogue::kGelu) simd::gelu(x);
  if constexpr (kEpilogue == Epilogue::kAccumulate) {
    simd::load(Tail(dst + c, rest).lanes, before);
    x += before;
  }
  std::memcpy(dst + c, &x, rest * sizeof(float));
}

[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]] void rows_to_float(const Rows& all,
                                                                                         Epilogue epilogue,
                                                                                         std::int64_t begin,
                                                                                         std::int64_t end) {
  for (std::int64_t i = begin; i < end; ++i) {
    const std::int32_t* sums = all.sums + i * all.sums_stride;
    float* dst = static_cast<float*>(all.dst) + i * all.dst_stride;
    if (epilogue == Epilogue::kNone) row_to_float<Epilogue::kNone>(sums, all, dst);
    if (epilogue == Epilogue::kGelu) row_to_float<Epilogue::kGelu>(sums, all, dst);
    if (epilogue == Epilogue::kAccumulate) row_to_float<Epilogue::kAccumulate>(sums, all, dst);
  }
}

[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]] void rows_to_codes(const Rows& all, bool gelu,
                                                                                         std::int64_t begin,
                                                                                         std::int64_t end) {
  for (std::int64_t i = begin; i < end; ++i) {
    const std::int32_t* sums = all.sums + i * all.sums_stride;
    std::uint8_t* dst = static_cast<std::uint8_t*>(all.dst) + i * all.dst_stride;
    if (gelu) {
      row_to_codes<Epilogue::kGelu>(sums, all.multiplier, all.offset, all.columns, all.codes, dst);
    } else {
      row_to_codes<Epilogue::kNone>(sums, all.multiplier, all.offset, all.columns, all.codes, dst);
    }
  }
}

struct FloatRows {
  const float* src;
  void* dst;
  std::int64_t columns, src_stride, dst_stride;
  Codes codes;  // where codes are written
};

[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]] void quantize_rows(const FloatRows& all,
                                                                                         std::int64_t begin,
                                                                                         std::int64_t end) {
  for (std::int64_t i = begin; i < end; ++i) {
    const float* src = all.src + i * all.src_stride;
    std::uint8_t* dst = static_cast<std::uint8_t*>(all.dst) + i * all.dst_stride;
    Floats x;
    std::int64_t c = 0;
    for (; c + kLanes <= all.columns; c += kLanes) {
      simd::load(src + c, x);
      store_codes(x, all.codes, dst + c);
    }
    const std::int64_t rest = all.columns - c;
    if (rest == 0) continue;
    simd::load(Tail(src + c, rest).lanes, x);
    std::uint8_t bytes[kLanes];
    store_codes(x, all.codes, bytes);
    std::memcpy(dst + c, bytes, rest);
  }
}

[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]] void round_rows(const FloatRows& all,
                                                                                      std::int64_t begin,
                                                                                      std::int64_t end) {
  for (std::int64_t i = begin; i < end; ++i) {
    const float* src = all.src + i * all.src_stride;
    std::uint16_t* dst = static_cast<std::uint16_t*>(all.dst) + i * all.dst_stride;
    Floats x;
    std::int64_t c = 0;
    for (; c + kLanes <= all.columns; c += kLanes) {
      simd::load(src + c, x);
      simd::store_bf16(x, dst + c);
    }
    const std::int64_t rest = all.columns - c;
    if (rest == 0) continue;
    simd::load(Tail(src + c, rest).lanes, x);
    std::uint16_t halves[kLanes];
    simd::store_bf16(x, halves);
    std::memcpy(dst + c, halves, rest * sizeof(std::uint16_t));
  }
}

// emit(begin, end) writes rows of dst. With a code book row by row, so that each is looked up while it is in the L1
// cache. Not in the kernels: they stay, to the instruction, what they are for rows without a book.
template <class Emit>
void emit_rows(const Tensor& dst, std::int64_t begin, std::int64_t end, Emit&& emit) {
  const std::uint8_t* code_book = dst.encoding.code_book;
  if (code_book == nullptr) {
    emit(begin, end);
    return;
  }
  for (std::int64_t i = begin; i < end; ++i) {
    emit(i, i + 1);
    look_up(code_book, dst.u8() + i * dst.strides[0], dst.columns());
  }
}

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
  const Rows all{.sums = sums.s32(),
                 .multiplier = values.multiplier.data(),
                 .offset = values.offset.data(),
                 .dst = dst.data,
                 .columns = sums.columns(),
                 .sums_stride = sums.strides[0],
                 .dst_stride = dst.strides[0],
                 .codes = to == DType::kU8 ? codes_of(dst.encoding) : Codes{}};
  parallel_for(sums.rows(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    if (to == DType::kF32) {
      rows_to_float(all, epilogue, begin, end);
      return;
    }
    emit_rows(dst, begin, end, [&](std::int64_t first, std::int64_t last) {
      rows_to_codes(all, epilogue == Epilogue::kGelu, first, last);
    });
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
  const FloatRows all{src.f32(),      dst.data,       src.columns(),
                      src.strides[0], dst.strides[0], rounds ? Codes{} : codes_of(dst.encoding)};
  parallel_for(src.rows(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    if (rounds) {
      round_rows(all, begin, end);
      return;
    }
    emit_rows(dst, begin, end, [&](std::int64_t first, std::int64_t last) { quantize_rows(all, first, last); });
  });
}

}  // namespace vitq
