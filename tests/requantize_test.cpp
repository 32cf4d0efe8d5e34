#include "engine/requantize.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "engine/code_book.h"
#include "engine/error.h"
#include "tests/random.h"
#include "tests/random_codes.h"

using namespace vitq;
using test::random_codes;
using test::random_floats;

namespace {

constexpr Encoding kSums{.dtype = DType::kS32};

// The definition, in scalar float; the rounding is the C library's.
int code_of(float value, const Encoding& encoding) {
  float x = value * (1.0F / encoding.scale) + static_cast<float>(encoding.zero_point);
  x = std::clamp(x, static_cast<float>(encoding.least_code()), static_cast<float>(encoding.most_code()));
  return static_cast<int>(std::nearbyint(x));
}

double gelu(double x) { return 0.5 * x * (1.0 + std::erf(x / std::sqrt(2.0))); }

struct Values {
  std::vector<float> multiplier, offset;
  explicit Values(std::int64_t columns)
      : multiplier(random_floats(columns, 11, 1e-5F, 1e-4F)), offset(random_floats(columns, 12)) {}
  [[nodiscard]] PerColumn view() const { return {multiplier, offset}; }
  [[nodiscard]] float at(std::int32_t sum, std::int64_t c) const {
    return static_cast<float>(sum) * multiplier[c] + offset[c];
  }
};

}  // namespace

TEST_CASE("requantize equals its scalar definition: f32 to the bit, codes exactly") {
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
      worst = std::max(worst, std::fabs(real[i] - exact) / std::max(1.0, std::fabs(x)));  // the bound of engine/gelu.h
      const double code = std::clamp(exact / to.scale + to.zero_point, 0.0, 255.0);
      off += codes[i] != code_of(static_cast<float>(exact), to);
      wrong += std::fabs(codes[i] - code) > 0.5 + 1.91e-4 / to.scale;  // the bound of engine/simd.h
    }
    CHECK(worst < 5e-7);
    CHECK(wrong == 0);
    CHECK(off <= kRows * columns * 2 / 100);  // of 3.8 % that this bound allows
  }
}

TEST_CASE("rounding is half to even and clamps, and strided rows stay apart") {
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

TEST_CASE("split_heads puts every column where its head is, in its own scale, and zeroes the padding") {
  for (const std::int64_t head_dim : {8, 32, 33}) {
    constexpr std::int64_t kGroups = 3;
    constexpr std::int64_t kHeads = 2;
    constexpr std::int64_t kTokens = 5;
    const std::int64_t columns = 3 * kHeads * head_dim;
    auto sums = random_codes<std::int32_t>(kGroups * kTokens * columns, 1, -90000, 90000);
    const Values values(columns);
    const std::int64_t rows[] = {kTokens, 16, 64};
    const Encoding means[] = {{DType::kS8, 0.04F}, {DType::kS8, 0.05F, 0, 7}, {DType::kS8, 0.3F, 0, 4}};
    std::vector<std::int8_t> memory[3];
    Tensor parts[3];
    for (int p = 0; p < 3; ++p) {
      memory[p].assign(kGroups * kHeads * rows[p] * head_dim, 99);
      parts[p] = Tensor(memory[p].data(), {kGroups, kHeads, rows[p], head_dim}, means[p]);
    }
    // In two blocks that cut through a group.
    constexpr std::int64_t kCut = 7;
    split_heads(Tensor(sums.data(), {kCut, columns}, kSums), values.view(), 0, parts[0], parts[1], parts[2]);
    split_heads(Tensor(sums.data() + kCut * columns, {kGroups * kTokens - kCut, columns}, kSums), values.view(), kCut,
                parts[0], parts[1], parts[2]);
    std::int64_t wrong = 0;
    for (int p = 0; p < 3; ++p) {
      for (std::int64_t i = 0; i < std::ssize(memory[p]); ++i) {
        const std::int64_t token = i / head_dim % rows[p];
        const std::int64_t head = i / head_dim / rows[p];
        const std::int64_t row = head / kHeads * kTokens + token;
        const std::int64_t c = (p * kHeads + head % kHeads) * head_dim + i % head_dim;
        const int expected = token < kTokens ? code_of(values.at(sums[row * columns + c], c), means[p]) : 0;
        wrong += memory[p][i] != expected;
      }
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("merge_heads divides by the row sums and joins the heads") {
  for (const std::int64_t head_dim : {16, 24, 64}) {
    constexpr std::int64_t kGroups = 2;
    constexpr std::int64_t kHeads = 3;
    constexpr std::int64_t kTokens = 37;
    const std::int64_t dim = kHeads * head_dim;
    auto sums = random_codes<std::int32_t>(kGroups * kTokens * dim, 1, -900000, 900000);
    auto row_sums = random_codes<std::int32_t>(kGroups * kHeads * kTokens, 2, 255, 20000);
    const float v_scale = 0.03F;
    const Encoding to{DType::kU8, 0.07F, 120};
    std::vector<float> real(sums.size());
    std::vector<std::uint8_t> codes(sums.size());
    // In two parts, which meet in the middle of a head.
    constexpr std::int64_t kAll = kGroups * kHeads * kTokens;
    const auto merge_part = [&](std::int64_t first, std::int64_t end) {
      const Tensor from(&sums[first * head_dim], {end - first, head_dim}, kSums);
      const auto merge = [&](const Tensor& dst) { merge_heads(from, &row_sums[first], first, kTokens, v_scale, dst); };
      merge(Tensor(real.data(), {kGroups * kTokens, dim}));
      merge(Tensor(codes.data(), {kGroups * kTokens, dim}, to));
    };
    merge_part(0, 100);
    merge_part(100, kAll);
    std::vector<float> copied(sums.size());
    std::vector<float> rows(sums.begin(), sums.end());
    merge_heads(Tensor(rows.data(), {kAll, head_dim}), 0, kTokens, Tensor(copied.data(), {kGroups * kTokens, dim}));
    std::vector<std::int32_t> backwards(kGroups * kTokens);
    for (std::int64_t i = 0; i < kGroups * kTokens; ++i)
      backwards[i] = static_cast<std::int32_t>(kGroups * kTokens - 1 - i);
    std::vector<float> permuted(sums.size());
    std::vector<float> turned(sums.size());
    merge_heads(Tensor(rows.data(), {kAll, head_dim}), 0, kTokens, Tensor(permuted.data(), {kGroups * kTokens, dim}),
                backwards);
    merge_heads(Tensor(sums.data(), {kAll, head_dim}, kSums), row_sums.data(), 0, kTokens, v_scale,
                Tensor(turned.data(), {kGroups * kTokens, dim}), backwards);
    std::int64_t wrong = 0;
    for (std::int64_t i = 0; i < std::ssize(sums); ++i) {
      const std::int64_t row = i / head_dim;  // group, head, token
      const std::int64_t group = row / (kHeads * kTokens);
      const std::int64_t at =
          (group * kTokens + row % kTokens) * dim + row / kTokens % kHeads * head_dim + i % head_dim;
      const float value = static_cast<float>(sums[i]) * (v_scale / static_cast<float>(row_sums[row]));
      wrong += real[at] != value;
      wrong += codes[at] != code_of(value, to);
      wrong += copied[at] != rows[i];
      const std::int64_t back = (kGroups * kTokens - 1 - at / dim) * dim + at % dim;
      wrong += permuted[back] != rows[i] || turned[back] != value;
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("quantize: u8 and s8, special values, strided rows") {
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

// Rows of codes, `gap` bytes apart, as `emit` writes them without a code book and with one: a different book entry for
// each code must be the only difference, and the gaps stay as they were.
template <class Emit>
void check_code_book(std::int64_t rows, std::int64_t columns, const Encoding& to, Emit&& emit) {
  CodeBook book{};
  for (int i = 0; i < 256; ++i) book[i] = static_cast<std::uint8_t>(i * 91 + 17);  // 91 is odd: a permutation
  Encoding with_book = to;
  with_book.code_book = book.data();
  for (const std::int64_t gap : {0, 5}) {
    constexpr std::uint8_t kUntouched = 77;
    std::vector<std::uint8_t> plain(rows * (columns + gap), kUntouched);
    std::vector<std::uint8_t> looked_up = plain;
    emit(Tensor(plain.data(), {rows, columns}, {columns + gap, 1}, to));
    emit(Tensor(looked_up.data(), {rows, columns}, {columns + gap, 1}, with_book));
    std::int64_t wrong = 0;
    for (std::int64_t i = 0; i < std::ssize(plain); ++i) {
      const bool is_gap = i % (columns + gap) >= columns;
      wrong += looked_up[i] != (is_gap ? kUntouched : book[plain[i]]);
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("requantize with a code book: as without, then looked up") {
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

TEST_CASE("merge_heads with a code book: as without, then looked up") {
  for (const std::int64_t head_dim : {1, 7, 16, 24, 33, 64}) {
    CAPTURE(head_dim);
    constexpr std::int64_t kGroups = 2;
    constexpr std::int64_t kHeads = 3;
    constexpr std::int64_t kTokens = 37;
    auto sums = random_codes<std::int32_t>(kGroups * kHeads * kTokens * head_dim, 1, -900000, 900000);
    auto row_sums = random_codes<std::int32_t>(kGroups * kHeads * kTokens, 2, 255, 20000);
    const Tensor from(sums.data(), {kGroups * kHeads * kTokens, head_dim}, kSums);
    check_code_book(kGroups * kTokens, kHeads * head_dim, Encoding{DType::kU8, 0.07F, 120},
                    [&](const Tensor& dst) { merge_heads(from, row_sums.data(), 0, kTokens, 0.03F, dst); });
  }
}

TEST_CASE("quantize with a code book: as without, then looked up") {
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
  const Tensor head(dst.data(), {1, 1, 2, 8}, is_signed);
  CHECK_THROWS_AS(split_heads(from, values, 0, head, head, head), Error);
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
  const Tensor head(dst.data(), {1, 1, 8, 2}, Encoding{DType::kS8});
  CHECK_THROWS_AS(split_heads(from, values, 0, head, head, head), Error);
  CHECK_THROWS_AS(merge_heads(from, sums.data(), 0, 3, 1.0F, codes), Error);  // 8 rows are no groups of 3 tokens
  CHECK_THROWS_AS(merge_heads(from, sums.data(), 1, 4, 1.0F, codes), Error);  // there is no ninth row
  CHECK_THROWS_AS(merge_heads(from, 0, 4, codes), Error);
  const std::vector<std::int32_t> short_order(3);
  CHECK_THROWS_AS(merge_heads(from, sums.data(), 0, 2, 1.0F, codes, short_order), Error);
  CHECK_THROWS_AS(quantize(from, codes), Error);
}
