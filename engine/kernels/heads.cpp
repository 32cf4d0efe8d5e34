#include "engine/kernels/heads.h"

#include <cstddef>

#include "engine/error.h"
#include "engine/kernels/code_book.h"
#include "engine/kernels/codes.h"
#include "engine/kernels/head_row.h"
#include "engine/kernels/simd.h"
#include "engine/threads.h"

namespace vitq {

namespace {

using simd::Floats;
using simd::kLanes;

// One of q, k and v.
struct Part {
  std::uint8_t* codes;
  std::int64_t rows;  // per head, with the padding
  Codes how;
};

struct Split {
  const std::int32_t* sums;
  const float* multiplier;
  const float* offset;
  std::int64_t sums_stride, first_row, heads, tokens, head_dim;
  Part parts[3];
};

[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]] void split_rows(const Split& all,
                                                                                      std::int64_t begin,
                                                                                      std::int64_t end) {
  for (std::int64_t i = begin; i < end; ++i) {
    const std::int64_t group = (all.first_row + i) / all.tokens;
    const std::int64_t token = (all.first_row + i) % all.tokens;
    std::int64_t c = 0;
    for (const Part& part : all.parts) {
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

struct Copy {
  const std::byte* values;
  std::int64_t stride, first_row, heads, tokens, head_dim;
  std::byte* parts[3];
  std::int64_t part_rows[3];  // per head, with the padding
};

// Sixteen elements at a time: a head is too short for a call of memcpy.
template <std::int64_t kBytes>
void copy_elements(const std::byte* from, std::int64_t count, std::byte* to) {
  std::int64_t c = 0;
  for (; c + kLanes <= count; c += kLanes) std::memcpy(to + c * kBytes, from + c * kBytes, kLanes * kBytes);
  for (; c < count; ++c) std::memcpy(to + c * kBytes, from + c * kBytes, kBytes);
}

// As split_rows, of values that stay as they are.
template <std::int64_t kBytes>
void copy_rows(const Copy& all, std::int64_t begin, std::int64_t end) {
  const std::int64_t width = all.head_dim * kBytes;
  for (std::int64_t i = begin; i < end; ++i) {
    const std::int64_t group = (all.first_row + i) / all.tokens;
    const std::int64_t token = (all.first_row + i) % all.tokens;
    const std::byte* from = all.values + i * all.stride * kBytes;
    for (int part = 0; part < 3; ++part) {
      for (std::int64_t h = 0; h < all.heads; ++h, from += width) {
        std::byte* head = all.parts[part] + (group * all.heads + h) * all.part_rows[part] * width;
        copy_elements<kBytes>(from, all.head_dim, head + token * width);
        if (token + 1 == all.tokens) {
          std::memset(head + all.tokens * width, 0, (all.part_rows[part] - all.tokens) * width);
        }
      }
    }
  }
}

// How rows, counted over [groups, heads, tokens], lie in [groups tokens, heads head_dim], whose rows may be permuted.
struct Heads {
  std::int64_t first_row, groups, heads, tokens, head_dim, stride;
  const std::int32_t* to;  // null: as they are
};

[[gnu::always_inline]] inline HeadRow row_of(const Heads& all, std::int64_t i) {
  return {all.first_row + i, all.groups, all.heads, all.tokens};
}

[[gnu::always_inline]] inline std::int64_t place_of(const Heads& all, const HeadRow& row) {
  const std::int64_t token = row.group() * all.tokens + row.token();
  return (all.to == nullptr ? token : all.to[token]) * all.stride + row.head() * all.head_dim;
}

struct Merge {
  const std::int32_t* sums;
  const std::int32_t* row_sums;
  void* dst;
  Heads heads;
  float v_scale;
  bool to_float;
  Codes codes;
  const std::uint8_t* code_book;
};

[[gnu::always_inline]] inline void merge_lanes(const std::int32_t* sums, float factor, const Merge& all, void* dst) {
  Floats x;
  simd::load_converted(sums, x);
  x *= factor;
  if (all.to_float) {
    simd::store(x, static_cast<float*>(dst));
  } else {
    store_codes(x, all.codes, dst);
  }
}

[[gnu::target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")]] void merge_rows(const Merge& all,
                                                                                      std::int64_t begin,
                                                                                      std::int64_t end) {
  const std::int64_t size = all.to_float ? sizeof(float) : 1;
  const std::int64_t head_dim = all.heads.head_dim;
  HeadRow row = row_of(all.heads, begin);
  for (std::int64_t i = begin; i < end; ++i, row.next()) {
    const std::int32_t* sums = all.sums + i * head_dim;
    const float factor = all.v_scale / static_cast<float>(all.row_sums[i]);
    char* dst = static_cast<char*>(all.dst) + place_of(all.heads, row) * size;
    std::int64_t c = 0;
    for (; c + kLanes <= head_dim; c += kLanes) merge_lanes(sums + c, factor, all, dst + c * size);
    const std::int64_t rest = head_dim - c;
    if (rest != 0) {
      float lanes[kLanes];
      merge_lanes(Tail(sums + c, rest).lanes, factor, all, lanes);
      std::memcpy(dst + c * size, lanes, rest * size);
    }
    if (all.code_book != nullptr) look_up(all.code_book, reinterpret_cast<std::uint8_t*>(dst), head_dim);
  }
}

bool is_dense(const Tensor& tensor) {
  std::int64_t step = 1;
  for (int i = tensor.rank - 1; i >= 0; --i) {
    if (tensor.strides[i] != step) return false;
    step *= tensor.dims[i];
  }
  return true;
}

// Rows of a qkv layer -> q, k and v of `dtype`.
void check_heads(const Tensor& rows, std::int64_t first_row, DType dtype, const Tensor& q, const Tensor& k,
                 const Tensor& v) {
  const auto [groups, heads, tokens, head_dim] = q.dims;
  check(rows.columns() == 3 * heads * head_dim && first_row >= 0 && first_row + rows.rows() <= groups * tokens,
        "split_heads: rows ", first_row, " to ", first_row + rows.rows(), " of ", rows.columns(),
        " columns do not fit in ", groups, " groups of ", heads, " heads, ", tokens, " tokens and ", head_dim,
        " columns");
  for (const Tensor* part : {&q, &k, &v}) {
    check(part->encoding.dtype == dtype && part->encoding.zero_point == 0 && part->rank == 4 && is_dense(*part),
          "split_heads: q, k and v must be dense symmetric ", name_of(dtype), " of rank 4");
    check(part->dims[0] == groups && part->dims[1] == heads && part->dims[2] >= tokens && part->dims[3] == head_dim,
          "split_heads: the shapes of q, k and v differ");
  }
}

bool is_float(const Tensor& matrix) {
  return matrix.rank == 2 && (matrix.encoding == kFloat || matrix.encoding == kBfloat16);
}

// Rows of [groups, heads, tokens] -> their places in dst.
Heads check_merge(const Tensor& rows, std::int64_t first_row, std::int64_t tokens, const Tensor& dst,
                  std::span<const std::int32_t> to) {
  const std::int64_t head_dim = rows.columns();
  check(rows.rank == 2 && is_dense(rows), "merge_heads: expected a dense matrix");
  check(dst.rank == 2 && dst.strides[1] == 1 && head_dim > 0 && dst.columns() % head_dim == 0 && tokens > 0 &&
            dst.rows() % tokens == 0,
        "merge_heads: expected [groups x ", tokens, ", heads x ", head_dim, "], found [", dst.rows(), ", ",
        dst.columns(), "]");
  check(to.empty() || std::ssize(to) == dst.rows(), "merge_heads: a permutation of ", to.size(), " rows, expected ",
        dst.rows());
  const std::int64_t heads = dst.columns() / head_dim;
  check(first_row >= 0 && first_row + rows.rows() <= dst.rows() * heads, "merge_heads: rows ", first_row, " to ",
        first_row + rows.rows(), " of ", dst.rows() * heads);
  return {.first_row = first_row,
          .groups = dst.rows() / tokens,
          .heads = heads,
          .tokens = tokens,
          .head_dim = head_dim,
          .stride = dst.strides[0],
          .to = to.empty() ? nullptr : to.data()};
}

constexpr std::int64_t kGrain = 16;  // rows that are worth a thread

}  // namespace

void split_heads(const Tensor& sums, const PerColumn& values, std::int64_t first_row, const Tensor& q, const Tensor& k,
                 const Tensor& v) {
  check_values(sums, values, "split_heads");
  check_heads(sums, first_row, DType::kS8, q, k, v);
  const auto [groups, heads, tokens, head_dim] = q.dims;
  Split all{.sums = sums.s32(),
            .multiplier = values.multiplier.data(),
            .offset = values.offset.data(),
            .sums_stride = sums.strides[0],
            .first_row = first_row,
            .heads = heads,
            .tokens = tokens,
            .head_dim = head_dim,
            .parts = {}};
  const Tensor* parts[] = {&q, &k, &v};
  for (int i = 0; i < 3; ++i) all.parts[i] = {parts[i]->u8(), parts[i]->dims[2], codes_of(parts[i]->encoding)};
  parallel_for(sums.rows(), kGrain, [&](std::int64_t begin, std::int64_t end) { split_rows(all, begin, end); });
}

void split_heads(const Tensor& values, std::int64_t first_row, const Tensor& q, const Tensor& k, const Tensor& v) {
  check(is_float(values) && values.strides[1] == 1, "split_heads: expected an f32 or bf16 matrix, found ",
        name_of(values.encoding.dtype), " of rank ", values.rank);
  check_heads(values, first_row, values.encoding.dtype, q, k, v);
  const auto [groups, heads, tokens, head_dim] = q.dims;
  const auto bytes = [](const Tensor& tensor) { return static_cast<std::byte*>(tensor.data); };
  const Copy all{.values = bytes(values),
                 .stride = values.strides[0],
                 .first_row = first_row,
                 .heads = heads,
                 .tokens = tokens,
                 .head_dim = head_dim,
                 .parts = {bytes(q), bytes(k), bytes(v)},
                 .part_rows = {q.dims[2], k.dims[2], v.dims[2]}};
  auto* copy = values.encoding == kFloat ? copy_rows<sizeof(float)> : copy_rows<sizeof(std::uint16_t)>;
  parallel_for(values.rows(), kGrain, [&](std::int64_t begin, std::int64_t end) { copy(all, begin, end); });
}

void merge_heads(const Tensor& sums, std::span<const std::int32_t> row_sums, std::int64_t first_row,
                 std::int64_t tokens, float v_scale, const Tensor& dst, std::span<const std::int32_t> to) {
  check(sums.encoding.dtype == DType::kS32, "merge_heads: expected s32 sums, found ", name_of(sums.encoding.dtype));
  check(std::ssize(row_sums) == sums.rows(), "merge_heads: ", row_sums.size(), " row sums for ", sums.rows(), " rows");
  const bool to_float = dst.encoding == kFloat;
  check(to_float || dst.encoding.dtype == DType::kU8, "merge_heads: expected f32 or u8, found ",
        name_of(dst.encoding.dtype));
  const Merge all{.sums = sums.s32(),
                  .row_sums = row_sums.data(),
                  .dst = dst.data,
                  .heads = check_merge(sums, first_row, tokens, dst, to),
                  .v_scale = v_scale,
                  .to_float = to_float,
                  .codes = to_float ? Codes{} : codes_of(dst.encoding),
                  .code_book = to_float ? nullptr : dst.encoding.code_book};
  parallel_for(sums.rows(), kGrain, [&](std::int64_t begin, std::int64_t end) { merge_rows(all, begin, end); });
}

void merge_heads(const Tensor& values, std::int64_t first_row, std::int64_t tokens, const Tensor& dst,
                 std::span<const std::int32_t> to) {
  check(is_float(values) && dst.encoding == values.encoding, "merge_heads: expected f32 -> f32 or bf16 -> bf16, found ",
        name_of(values.encoding.dtype), " -> ", name_of(dst.encoding.dtype));
  const Heads heads = check_merge(values, first_row, tokens, dst, to);
  const auto size = static_cast<std::int64_t>(size_of(values.encoding.dtype));
  auto* copy = values.encoding == kFloat ? copy_elements<sizeof(float)> : copy_elements<sizeof(std::uint16_t)>;
  parallel_for(values.rows(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    HeadRow row = row_of(heads, begin);
    for (std::int64_t i = begin; i < end; ++i, row.next()) {
      copy(static_cast<const std::byte*>(values.data) + i * heads.head_dim * size, heads.head_dim,
           static_cast<std::byte*>(dst.data) + place_of(heads, row) * size);
    }
  });
}

}  // namespace vitq
