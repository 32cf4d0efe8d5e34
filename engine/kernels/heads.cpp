#include "engine/kernels/heads.h"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "engine/error.h"
#include "engine/kernels/codes.h"
#include "engine/kernels/dispatch.h"
#include "engine/kernels/rows/head_row.h"
#include "engine/threads.h"

namespace vitq {

namespace {

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
  for (; c + kVectorLanes <= count; c += kVectorLanes)
    std::memcpy(to + c * kBytes, from + c * kBytes, kVectorLanes * kBytes);
  for (; c < count; ++c) std::memcpy(to + c * kBytes, from + c * kBytes, kBytes);
}

// As the kernel does it, of values that stay as they are.
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
rows::Heads check_merge(const Tensor& rows, std::int64_t first_row, std::int64_t tokens, const Tensor& dst,
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
  rows::SplitHeads all{.sums = sums.s32(),
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
  const auto kernel = kernels().split_heads;
  parallel_for(sums.rows(), kGrain, [&](std::int64_t begin, std::int64_t end) { kernel(all, begin, end); });
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

void encode_heads(const Tensor& values, std::int64_t first_row, const Tensor& q, const Tensor& k, const Tensor& v) {
  check(values.encoding == kFloat && values.rank == 2 && values.strides[1] == 1,
        "encode_heads: expected an f32 matrix, found ", name_of(values.encoding.dtype), " of rank ", values.rank);
  check_heads(values, first_row, q.encoding.dtype, q, k, v);
  const auto [groups, heads, tokens, head_dim] = q.dims;
  std::int64_t column = 0;
  for (const Tensor* part : {&q, &k, &v}) {
    const auto size = static_cast<std::int64_t>(size_of(part->encoding.dtype));
    for (std::int64_t h = 0; h < heads; ++h, column += head_dim) {
      // The rows of one group at a time lie one behind the other in a head.
      for (std::int64_t i = 0; i < values.rows();) {
        const std::int64_t group = (first_row + i) / tokens;
        const std::int64_t token = (first_row + i) % tokens;
        const std::int64_t count = std::min(tokens - token, values.rows() - i);
        std::byte* head = static_cast<std::byte*>(part->data) + (group * heads + h) * part->strides[1] * size;
        const Tensor from(values.row(i) + column, {count, head_dim}, {values.strides[0], 1});
        quantize(from, Tensor(head + token * head_dim * size, {count, head_dim}, part->encoding));
        if (token + count == tokens) {
          std::memset(head + tokens * head_dim * size, 0, (part->dims[2] - tokens) * head_dim * size);
        }
        i += count;
      }
    }
  }
}

void merge_heads(const Tensor& sums, std::span<const std::int32_t> row_sums, std::int64_t first_row,
                 std::int64_t tokens, float v_scale, const Tensor& dst, std::span<const std::int32_t> to) {
  check(sums.encoding.dtype == DType::kS32, "merge_heads: expected s32 sums, found ", name_of(sums.encoding.dtype));
  check(std::ssize(row_sums) == sums.rows(), "merge_heads: ", row_sums.size(), " row sums for ", sums.rows(), " rows");
  const bool to_float = dst.encoding == kFloat;
  check(to_float || dst.encoding.dtype == DType::kU8, "merge_heads: expected f32 or u8, found ",
        name_of(dst.encoding.dtype));
  const rows::MergeHeads all{.sums = sums.s32(),
                             .row_sums = row_sums.data(),
                             .dst = dst.data,
                             .heads = check_merge(sums, first_row, tokens, dst, to),
                             .v_scale = v_scale,
                             .to_float = to_float,
                             .codes = to_float ? rows::Codes{} : codes_of(dst.encoding),
                             .code_book = to_float ? nullptr : dst.encoding.code_book,
                             .look_up = kernels().look_up};
  const auto kernel = kernels().merge_heads;
  parallel_for(sums.rows(), kGrain, [&](std::int64_t begin, std::int64_t end) { kernel(all, begin, end); });
}

void merge_heads(const Tensor& values, std::int64_t first_row, std::int64_t tokens, const Tensor& dst,
                 std::span<const std::int32_t> to) {
  check(is_float(values) && dst.encoding == values.encoding, "merge_heads: expected f32 -> f32 or bf16 -> bf16, found ",
        name_of(values.encoding.dtype), " -> ", name_of(dst.encoding.dtype));
  const rows::Heads heads = check_merge(values, first_row, tokens, dst, to);
  const auto size = static_cast<std::int64_t>(size_of(values.encoding.dtype));
  auto* copy = values.encoding == kFloat ? copy_elements<sizeof(float)> : copy_elements<sizeof(std::uint16_t)>;
  parallel_for(values.rows(), kGrain, [&](std::int64_t begin, std::int64_t end) {
    rows::HeadRow row = rows::row_of(heads, begin);
    for (std::int64_t i = begin; i < end; ++i, row.next()) {
      copy(static_cast<const std::byte*>(values.data) + i * heads.head_dim * size, heads.head_dim,
           static_cast<std::byte*>(dst.data) + rows::place_of(heads, row) * size);
    }
  });
}

}  // namespace vitq
