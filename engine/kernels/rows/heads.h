#pragma once
// engine/kernels/heads.h, row by row.

#include "engine/kernels/rows/codes.h"
#include "engine/kernels/rows/head_row.h"

namespace vitq::rows {
namespace {

void split_heads(const SplitHeads& all, std::int64_t begin, std::int64_t end) {
  for (std::int64_t i = begin; i < end; ++i) {
    const std::int64_t group = (all.first_row + i) / all.tokens;
    const std::int64_t token = (all.first_row + i) % all.tokens;
    std::int64_t c = 0;
    for (const SplitHeads::Part& part : all.parts) {
      for (std::int64_t h = 0; h < all.heads; ++h, c += all.head_dim) {
        std::uint8_t* head = part.codes + (group * all.heads + h) * part.rows * all.head_dim;
        row_to_codes<Epilogue::kNone>(all.sums + i * all.sums_stride + c, all.multiplier + c, all.offset + c,
                                      all.head_dim, part.how, head + token * all.head_dim);
        if (token + 1 == all.tokens) {
          std::memset(head + all.tokens * all.head_dim, 0, (part.rows - all.tokens) * all.head_dim);
        }
      }
    }
  }
}

void merge_heads(const MergeHeads& all, std::int64_t begin, std::int64_t end) {
  const std::int64_t size = all.to_float ? sizeof(float) : 1;
  const std::int64_t head_dim = all.heads.head_dim;
  HeadRow row = row_of(all.heads, begin);
  for (std::int64_t i = begin; i < end; ++i, row.next()) {
    const std::int32_t* sums = all.sums + i * head_dim;
    const float factor = all.v_scale / static_cast<float>(all.row_sums[i]);
    char* dst = static_cast<char*>(all.dst) + place_of(all.heads, row) * size;
    simd::for_vectors(head_dim, [&](std::int64_t c, auto lanes) {
      const simd::Floats x = simd::converted(simd::load(sums + c, lanes)) * factor;
      if (all.to_float) {
        simd::store(x, static_cast<float*>(static_cast<void*>(dst)) + c, lanes);
      } else {
        store_codes(x, all.codes, dst + c, lanes);
      }
    });
    if (all.code_book != nullptr) all.look_up(all.code_book, reinterpret_cast<std::uint8_t*>(dst), head_dim);
  }
}

}  // namespace
}  // namespace vitq::rows
