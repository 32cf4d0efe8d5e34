#include "engine/kernels/requantize.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "engine/error.h"
#include "engine/kernels/code_book.h"
#include "tests/kernel_tables.h"
#include "tests/random.h"
#include "tests/random_codes.h"
#include "tests/requantize_reference.h"

using namespace vitq;
using test::check_code_book;
using test::code_of;
using test::kSums;
using test::random_codes;
using test::random_floats;
using test::Values;

namespace {

double gelu(double x) { return 0.5 * x * (1.0 + std::erf(x / std::sqrt(2.0))); }

}  // namespace

TEST_CASE("requantize equals its scalar definition: f32 to the bit, codes exactly") {
  const test::EachKernelTable each;
  for (const std::int64_t columns : {1, 15, 16, 33, 384, 1000}) {
    for (const Encoding& to : {Encoding{DType::kU8, 0.02F, 128}, Encoding{DType::kU8, 0.3F, 5, 4},
                               Encoding{DType::kU8, 0.01F, -40, 6}, Encoding{DType::kU8, 0.05F, 300}}) {
      constexpr std::int64_t kRows = 19;
      auto sums = random_codes<std::int32_t>(kRows * columns, 1, -60000, 60000);
      sums[0] = std::numeric_limits<std::int32_t>::max();
      const Values values(columns);
      const auto before = random_floats(kRows * columns, 4);
      std::vector<float> plain(kRows * columns);
      auto added = before;
      std::vector<std::uint8_t> codes(kRows * columns);
      const Tensor from(sums.data(), {kRows, columns}, kSums);
      requantize(from, values.view(), Tensor(plain.data(), {kRows, columns}));
      requantize(from, values.view(), Tensor(added.data(), {kRows, columns}), Epilogue::kAccumulate);
      requantize(from, values.view(), Tensor(codes.data(), {kRows, columns}, to));
      std::int64_t wrong = 0;
      for (std::int64_t i = 0; i < kRows * columns; ++i) {
        const float value = values.at(sums[i], i % columns);
        wrong += plain[i] != value;
        wrong += added[i] != value + before[i];
        wrong += codes[i] != code_of(value, to);
      }
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("requantize with GELU equals std::erf, codes but for what rough_gelu is off") {
  const test::EachKernelTable each;
  constexpr std::int64_t kRows = 197;
  for (const std::int64_t columns : {17, 1536}) {
    auto sums = random_codes<std::int32_t>(kRows * columns, 1, -90000, 60000);
    const Values values(columns);
    const Encoding to{DType::kU8, 0.01F, 17};
    std::vector<float> real(kRows * columns);
    std::vector<std::uint8_t> codes(kRows * columns);
    const Tensor from(sums.data(), {kRows, columns}, kSums);
    requantize(from, values.view(), Tensor(real.data(), {kRows, columns}), Epilogue::kGelu);
    requantize(from, values.view(), Tensor(codes.data(), {kRows, columns}, to), Epilogue::kGelu);
    double worst = 0;
    std::int64_t off = 0;
    std::int64_t wrong = 0;
    for (std::int64_t i = 0; i < kRows * columns; ++i) {
      const double x = values.at(sums[i], i % columns);
      const double exact = gelu(x);
      worst = std::max(
          worst, std::fabs(real[i] - exact) / std::max(1.0, std::fabs(x)));  // the bound of engine/kernels/activation.h
      const double code = std::clamp(exact / to.scale + to.zero_point, 0.0, 255.0);
      off += codes[i] != code_of(static_cast<float>(exact), to);
      wrong += std::fabs(codes[i] - code) > 0.5 + 1.91e-4 / to.scale;  // the bound of engine/kernels/simd.h
    }
    CHECK(worst < 5e-7);
    CHECK(wrong == 0);
    CHECK(off <= kRows * columns * 2 / 100);  // of 3.8 % that this bound allows
  }
}

TEST_CASE("rounding is half to even and clamps, and strided rows stay apart") {
  const test::EachKernelTable each;
  std::vector<std::int32_t> sums{1, 3, 5, -1, 7, 9, 1000, -1000, 0, 99, 99, 99, 1, 3, 5, -1, 7, 9, 1000, -1000, 0};
  const std::vector<float> half(9, 0.5F);
  const std::vector<float> zero(9, 0.0F);
  std::vector<std::uint8_t> codes(2 * 10, 77);
  requantize(Tensor(sums.data(), {2, 9}, {12, 1}, kSums), {half, zero},
             Tensor(codes.data(), {2, 9}, {10, 1}, Encoding{DType::kU8, 1.0F, 1, 7}));
  // 0.5, 1.5, 2.5, -0.5, 3.5, 4.5 with zero point 1.
  const std::vector<std::uint8_t> row{2, 2, 4, 0, 4, 6, 127, 0, 1, 77};
  CHECK(std::equal(row.begin(), row.end(), codes.begin()));
  CHECK(std::equal(row.begin(), row.end(), codes.begin() + 10));
}

TEST_CASE("quantize: u8 and s8, special values, strided rows") {
  const test::EachKernelTable each;
  for (const std::int64_t columns : {1, 16, 31, 768}) {
    auto src = random_floats(7 * (columns + 3), 1, -3, 3);
    for (const Encoding& to : {Encoding{DType::kU8, 0.02F, 128}, Encoding{DType::kU8, 0.5F, 3, 3},
                               Encoding{DType::kS8, 0.02F}, Encoding{DType::kS8, 0.1F, 0, 5}}) {
      std::vector<std::uint8_t> dst(7 * columns);
      quantize(Tensor(src.data(), {7, columns}, {columns + 3, 1}), Tensor(dst.data(), {7, columns}, to));
      std::int64_t wrong = 0;
      for (std::int64_t i = 0; i < std::ssize(dst); ++i) {
        const int actual = to.dtype == DType::kS8 ? static_cast<std::int8_t>(dst[i]) : dst[i];
        wrong += actual != code_of(src[i / columns * (columns + 3) + i % columns], to);
      }
      CHECK(wrong == 0);
    }
  }
  const float inf = std::numeric_limits<float>::infinity();
  std::vector<float> special{inf, -inf, std::numeric_limits<float>::quiet_NaN(), 1e38F};
  std::vector<std::uint8_t> dst(4);
  quantize(Tensor(special.data(), {1, 4}), Tensor(dst.data(), {1, 4}, Encoding{DType::kU8, 1.0F, 9}));
  CHECK(dst == std::vector<std::uint8_t>{255, 0, 0, 255});
}

TEST_CASE("requantize with a code book: as without, then looked up") {
  const test::EachKernelTable each;
  constexpr std::int64_t kRows = 37;
  for (const std::int64_t columns : {1, 15, 63, 64, 65, 384, 1001, 1536}) {
    CAPTURE(columns);
    auto sums = random_codes<std::int32_t>(kRows * columns, 1, -60000, 60000);
    const Values values(columns);
    const Tensor from(sums.data(), {kRows, columns}, kSums);
    for (const Epilogue epilogue : {Epilogue::kNone, Epilogue::kGelu}) {
      for (const Encoding& to : {Encoding{DType::kU8, 0.02F, 128}, Encoding{DType::kU8, 0.01F, -40}}) {
        check_code_book(kRows, columns, to, [&](const Tensor& dst) { requantize(from, values.view(), dst, epilogue); });
      }
    }
  }
}

TEST_CASE("quantize with a code book: as without, then looked up") {
  const test::EachKernelTable each;
  for (const std::int64_t columns : {1, 16, 31, 64, 129, 768}) {
    CAPTURE(columns);
    auto src = random_floats(37 * (columns + 3), 1, -3, 3);
    check_code_book(37, columns, Encoding{DType::kU8, 0.02F, 128}, [&](const Tensor& dst) {
      quantize(Tensor(src.data(), {37, columns}, {columns + 3, 1}), dst);
    });
  }
}

TEST_CASE("requantization refuses a code book but for u8 of 8 bits") {
  std::vector<std::int32_t> sums(48);
  std::vector<float> floats(48, 1.0F);
  const CodeBook book{};
  const Tensor from(sums.data(), {2, 24}, kSums);
  const PerColumn values{std::span(floats).first(24), std::span(floats).first(24)};
  const Encoding four{DType::kU8, 1.0F, 0, 4, book.data()};
  const Encoding is_signed{DType::kS8, 1.0F, 0, 8, book.data()};
  const std::string found =
      "requantize: found u8 of 4 bits (scale 1, zero point 0), with a code book; expected u8 of 8 ";
  std::vector<std::uint8_t> dst(48);
  CHECK_THROWS_WITH_AS(requantize(from, values, Tensor(dst.data(), {2, 24}, four)), (found + "bits with one").c_str(),
                       Error);
  CHECK_THROWS_AS(quantize(Tensor(floats.data(), {2, 24}), Tensor(dst.data(), {2, 24}, four)), Error);
  CHECK_THROWS_AS(quantize(Tensor(floats.data(), {2, 24}), Tensor(dst.data(), {2, 24}, is_signed)), Error);
}

TEST_CASE("requantization refuses what does not fit") {
  std::vector<std::int32_t> sums(64);
  std::vector<float> ones(8, 1.0F);
  std::vector<float> dst(64);
  const Tensor from(sums.data(), {8, 8}, kSums);
  const Tensor codes(dst.data(), {8, 8}, Encoding{DType::kU8});
  const PerColumn values{ones, ones};
  CHECK_THROWS_WITH_AS(requantize(from, values, codes, Epilogue::kAccumulate),
                       "requantize: only f32 can be added to, not u8", Error);
  CHECK_THROWS_AS(requantize(from, {ones, {}}, codes), Error);
  CHECK_THROWS_AS(requantize(from, values, Tensor(dst.data(), {8, 7}, Encoding{DType::kU8})), Error);
  CHECK_THROWS_AS(requantize(from, values, Tensor(dst.data(), {8, 8}, Encoding{DType::kU8, 0.0F})), Error);
  CHECK_THROWS_AS(requantize(from, values, Tensor(dst.data(), {8, 8}, Encoding{DType::kU8, 1.0F, 0, 9})), Error);
  CHECK_THROWS_AS(quantize(from, codes), Error);
}
