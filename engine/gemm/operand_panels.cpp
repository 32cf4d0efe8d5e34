#include "engine/gemm/operand_panels.h"

#include <algorithm>

#include "engine/gemm/byte_panels.h"
#include "engine/gemm/byte_tiles.h"
#include "engine/gemm/float_panels.h"
#include "engine/gemm/lay_out.h"
#include "engine/gemm/operand_tiles.h"

namespace vitq::operand_panels {

namespace {

constexpr std::int64_t kColumns = byte_tiles::kOutputs;  // of a panel

std::int64_t rounded_up(std::int64_t count, std::int64_t to) { return (count + to - 1) / to * to; }

// How much of the operands is packed and laid out at a time. Bytes are widened to pairs of 16 bits; floats stay as they
// are where their columns lie side by side.
struct Layout {
  Layout(const Tensor& a, const Tensor& b)
      : is_float(a.encoding.dtype == DType::kF32),
        inner(is_float ? inputs_at_once(a.dims[3]) : a.dims[3]),
        padded(is_float ? inner : rounded_up(inner, 2)),
        columns(std::min(rounded_up(b.dims[3], kColumns), panels() * kColumns)),
        rows(is_float ? kFloatRows : std::max(kTile, kWideBytes / (padded * kWide) / kTile * kTile)),
        b_bytes(padded * columns * b_element()),
        a_bytes(is_float && a.strides[3] == 1 ? 0 : rows * padded * (is_float ? kFloat : kWide)) {}

  static constexpr std::int64_t kPackedBytes = 128 << 10;  // of b: a part of a core's second cache
  static constexpr std::int64_t kWideBytes = 16 << 10;     // of a: half of its first
  static constexpr std::int64_t kFloatRows = 192;          // as multiply_panels() takes them
  static constexpr std::int64_t kTile = 6;                 // rows of one
  static constexpr std::int64_t kWide = sizeof(std::int16_t);
  static constexpr std::int64_t kFloat = sizeof(float);

  [[nodiscard]] std::int64_t b_element() const { return is_float ? kFloat : 1; }
  // That fit, at least one.
  [[nodiscard]] std::int64_t panels() const {
    return std::max<std::int64_t>(1, kPackedBytes / (padded * kColumns * b_element()));
  }

  bool is_float;
  std::int64_t inner;    // of one go
  std::int64_t padded;   // that, in whole steps
  std::int64_t columns;  // whole panels
  std::int64_t rows;
  std::int64_t b_bytes, a_bytes;
};

// The matrix at one pair of outer indices.
Tensor matrix(const Tensor& all, std::int64_t index) {
  const std::int64_t at = index / all.dims[1] * all.strides[0] + index % all.dims[1] * all.strides[1];
  auto* data = static_cast<std::byte*>(all.data) + at * static_cast<std::int64_t>(size_of(all.encoding.dtype));
  return {data, {all.dims[2], all.dims[3]}, {all.strides[2], all.strides[3]}, all.encoding};
}

template <class T>
void pack(const Tensor& b, std::byte* to) {
  operand_tiles::pack({.data = static_cast<const T*>(b.data),
                       .inner = b.rows(),
                       .columns = b.columns(),
                       .row = b.strides[0],
                       .column = b.strides[1]},
                      reinterpret_cast<T*>(to));
}

// dst = a times the packed b, of as many rows as a layout has.
void multiply_bytes(const Tensor& a, const std::byte* b, std::byte* scratch, const Tensor& dst) {
  const std::int64_t padded = rounded_up(a.columns(), 2);
  auto* rows = reinterpret_cast<std::int16_t*>(scratch);
  if (a.encoding.dtype == DType::kU8) {
    lay_out<std::uint8_t>(a, padded, rows);
  } else {
    lay_out<std::int8_t>(a, padded, rows);
  }
  const auto* panel = reinterpret_cast<const std::int8_t*>(b);
  for (std::int64_t c = 0; c < dst.columns(); c += kColumns, panel += padded * kColumns) {
    byte_tiles::multiply_pairs(rows, a.rows(), padded / 2, panel, std::min(kColumns, dst.columns() - c), dst.s32() + c,
                               dst.strides[0]);
  }
}

// dst = that, or dst += that.
void multiply_floats(const Tensor& a, const std::byte* b, std::byte* scratch, bool adds, const Tensor& dst) {
  Tensor rows = a;
  if (a.strides[1] != 1) {
    rows = Tensor(scratch, {a.rows(), a.columns()});
    lay_out<float>(a, a.columns(), rows.f32());
  }
  multiply_panels({.weights = reinterpret_cast<const float*>(b), .inputs = a.columns(), .outputs = dst.columns()}, rows,
                  dst, adds, 0, rounded_up(dst.columns(), kColumns) / kColumns);
}

// Columns [first, first + count) of a matrix.
Tensor columns_of(const Tensor& matrix, std::int64_t first, std::int64_t count) {
  Tensor result = matrix;
  result.data = static_cast<std::byte*>(matrix.data) +
                first * matrix.strides[1] * static_cast<std::int64_t>(size_of(matrix.encoding.dtype));
  result.dims[1] = count;
  return result;
}

// dst = a b, matrices.
void multiply_matrices(const Tensor& a, const Tensor& b, const Tensor& dst, const Layout& layout,
                       std::span<std::byte> scratch) {
  std::byte* packed = scratch.data();
  std::byte* laid_out = packed + layout.b_bytes;
  for (std::int64_t c = 0; c < b.columns(); c += layout.columns) {
    const std::int64_t columns = std::min(layout.columns, b.columns() - c);
    const Tensor to = columns_of(dst, c, columns);
    for (std::int64_t i = 0; i < b.rows(); i += layout.inner) {
      const std::int64_t inner = std::min(layout.inner, b.rows() - i);
      const Tensor from = columns_of(a, i, inner);
      const Tensor by = columns_of(rows_of(b, i, inner), c, columns);
      if (layout.is_float) {
        pack<float>(by, packed);
      } else {
        pack<std::int8_t>(by, packed);
      }
      for (std::int64_t r = 0; r < a.rows(); r += layout.rows) {
        const std::int64_t rows = std::min(layout.rows, a.rows() - r);
        if (layout.is_float) {
          multiply_floats(rows_of(from, r, rows), packed, laid_out, i > 0, rows_of(to, r, rows));
        } else {
          multiply_bytes(rows_of(from, r, rows), packed, laid_out, rows_of(to, r, rows));
        }
      }
    }
  }
}

}  // namespace

bool take(DType dtype) {
  if (dtype == DType::kF32) return FloatPanels::are_used();
  return size_of(dtype) == 1 && BytePanels::are_used();
}

std::size_t scratch_bytes(const Tensor& a, const Tensor& b) {
  const Layout layout(a, b);
  return static_cast<std::size_t>(layout.b_bytes + layout.a_bytes);
}

void multiply(const Tensor& a, const Tensor& b, const Tensor& dst, std::span<std::byte> scratch, std::int64_t first,
              std::int64_t last) {
  const Layout layout(a, b);
  const std::int64_t rows = a.dims[2];
  while (first < last) {
    const std::int64_t index = first / rows;
    const std::int64_t row = first - index * rows;
    const std::int64_t count = std::min(last - first, rows - row);
    multiply_matrices(rows_of(matrix(a, index), row, count), matrix(b, index), rows_of(matrix(dst, index), row, count),
                      layout, scratch);
    first += count;
  }
}

}  // namespace vitq::operand_panels
