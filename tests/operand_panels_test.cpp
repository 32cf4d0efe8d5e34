// Products of two operands of a pass on AVX2: bytes exact, floats with the bits that FloatPanels give, for any strides
// and however the rows are divided.

#include "engine/gemm/operand_panels.h"

#include <doctest/doctest.h>

#include <array>
#include <cstdio>
#include <vector>

#include "engine/gemm/float_panels.h"
#include "engine/isa.h"
#include "tests/random.h"
#include "tests/random_codes.h"

using namespace vitq;
using test::random_codes;
using test::random_floats;

namespace {

constexpr std::int64_t kGroups = 2;
constexpr std::int64_t kHeads = 3;

struct Case {
  std::int64_t rows, inner, columns;
};
// One of everything, odd sides, whole registers and panels, and more rows than are laid out at a time.
constexpr std::array kCases = {Case{1, 1, 1},     Case{49, 32, 64},  Case{49, 64, 32},   Case{7, 33, 19},
                               Case{5, 8, 16},    Case{13, 65, 40},  Case{197, 64, 208}, Case{197, 256, 64},
                               Case{300, 72, 31}, Case{30, 800, 48}, Case{9, 31, 8},     Case{25, 2050, 70},
                               Case{6, 40, 4000}};

// How the elements of a matrix [rows, columns] lie, in elements, those of all matrices behind one another.
struct Order {
  std::int64_t row, column, matrix;
};

std::array<Order, 3> orders(std::int64_t rows, std::int64_t columns) {
  return {Order{columns, 1, rows * columns}, Order{1, rows, rows * columns},
          Order{2 * columns + 3, 2, rows * (2 * columns + 3)}};
}

template <class T>
Tensor view(std::vector<T>& of, std::int64_t rows, std::int64_t columns, const Order& how, DType dtype) {
  return {of.data(),
          {kGroups, kHeads, rows, columns},
          {kHeads * how.matrix, how.matrix, how.row, how.column},
          {.dtype = dtype}};
}

// In two parts, the second first.
void multiply(const Tensor& a, const Tensor& b, const Tensor& dst) {
  std::vector<std::byte> memory(operand_panels::scratch_bytes(a, b) + 64);
  void* at = memory.data();
  std::size_t space = memory.size();
  REQUIRE(std::align(64, space - 64, at, space) != nullptr);
  const std::span scratch(static_cast<std::byte*>(at), space);
  const std::int64_t rows = kGroups * kHeads * a.dims[2];
  operand_panels::multiply(a, b, dst, scratch, rows / 2, rows);
  operand_panels::multiply(a, b, dst, scratch, 0, rows / 2);
}

template <class A>
std::int64_t wrong_sums(const Case& s, const Order& of_a, const Order& of_b, std::int64_t padding) {
  constexpr bool kIsSigned = std::is_signed_v<A>;
  constexpr std::int32_t kUntouched = 0x5A5A5A5A;
  auto a = random_codes<A>(kGroups * kHeads * of_a.matrix, 1, kIsSigned ? -128 : 0, kIsSigned ? 127 : 255);
  auto b = random_codes<std::int8_t>(kGroups * kHeads * of_b.matrix, 2, -128, 127);
  const std::int64_t stride = s.columns + padding;
  std::vector<std::int32_t> dst(kGroups * kHeads * s.rows * stride, kUntouched);
  multiply(view(a, s.rows, s.inner, of_a, kIsSigned ? DType::kS8 : DType::kU8),
           view(b, s.inner, s.columns, of_b, DType::kS8),
           view(dst, s.rows, s.columns, {stride, 1, s.rows * stride}, DType::kS32));
  std::int64_t wrong = 0;
  for (std::int64_t i = 0; i < std::ssize(dst); ++i) {
    const std::int64_t matrix = i / (s.rows * stride);
    const std::int64_t row = i / stride % s.rows;
    const std::int64_t column = i % stride;
    std::int64_t sum = 0;
    for (std::int64_t k = 0; column < s.columns && k < s.inner; ++k) {
      sum += std::int64_t{a[matrix * of_a.matrix + row * of_a.row + k * of_a.column]} *
             b[matrix * of_b.matrix + k * of_b.row + column * of_b.column];
    }
    wrong += dst[i] != (column < s.columns ? sum : kUntouched);
  }
  return wrong;
}

// Products of floats that differ in any bit from those of FloatPanels.
std::int64_t wrong_floats(const Case& s, const Order& of_a, const Order& of_b) {
  auto a = random_floats(kGroups * kHeads * of_a.matrix, 1);
  auto b = random_floats(kGroups * kHeads * of_b.matrix, 2);
  const Order dense{s.columns, 1, s.rows * s.columns};
  std::vector<float> dst(kGroups * kHeads * dense.matrix);
  multiply(view(a, s.rows, s.inner, of_a, DType::kF32), view(b, s.inner, s.columns, of_b, DType::kF32),
           view(dst, s.rows, s.columns, dense, DType::kF32));
  std::int64_t wrong = 0;
  for (std::int64_t m = 0; m < kGroups * kHeads; ++m) {
    std::vector<float> rows(s.rows * s.inner);
    for (std::int64_t i = 0; i < std::ssize(rows); ++i) {
      rows[i] = a[m * of_a.matrix + i / s.inner * of_a.row + i % s.inner * of_a.column];
    }
    std::vector<float> weights(s.columns * s.inner);
    for (std::int64_t i = 0; i < std::ssize(weights); ++i) {
      weights[i] = b[m * of_b.matrix + i % s.inner * of_b.row + i / s.inner * of_b.column];
    }
    const FloatPanels panels(weights, {}, s.columns, s.inner);
    std::vector<float> expected(dense.matrix);
    panels.multiply(Tensor(rows.data(), {s.rows, s.inner}), Tensor(expected.data(), {s.rows, s.columns}), false, 0,
                    panels.panels());
    for (std::int64_t i = 0; i < dense.matrix; ++i) wrong += dst[m * dense.matrix + i] != expected[i];
  }
  return wrong;
}

// check(case, order of a, order of b) for all of them.
template <class Check>
void for_each_case(const Check& check) {
  if (cpu_isa() < Isa::kAvx2) {
    std::puts("SKIPPED: no AVX2");
    return;
  }
  for (const Case& s : kCases) {
    CAPTURE(s.rows);
    CAPTURE(s.inner);
    CAPTURE(s.columns);
    for (const Order& of_a : orders(s.rows, s.inner)) {
      CAPTURE(of_a.column);
      for (const Order& of_b : orders(s.inner, s.columns)) {
        CAPTURE(of_b.column);
        check(s, of_a, of_b);
      }
    }
  }
}

}  // namespace

TEST_CASE("operand panels: products of all bytes are exact, for any shape and stride") {
  for_each_case([](const Case& s, const Order& of_a, const Order& of_b) {
    CHECK(wrong_sums<std::uint8_t>(s, of_a, of_b, 0) == 0);
    CHECK(wrong_sums<std::int8_t>(s, of_a, of_b, 5) == 0);
  });
}

TEST_CASE("operand panels: products of floats are those of FloatPanels, bit for bit") {
  for_each_case([](const Case& s, const Order& of_a, const Order& of_b) { CHECK(wrong_floats(s, of_a, of_b) == 0); });
}
