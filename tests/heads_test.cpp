#include "engine/kernels/heads.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "engine/error.h"
#include "tests/kernel_tables.h"
#include "tests/random.h"
#include "tests/random_codes.h"
#include "tests/requantize_reference.h"

using namespace vitq;
using test::check_code_book;
using test::code_of;
using test::kSums;
using test::random_codes;
using test::Values;

TEST_CASE("split_heads puts every column where its head is, in its own scale, and zeroes the padding") {
  const test::EachKernelTable each;
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

TEST_CASE("encode_heads is split_heads of floats, each part in its own encoding") {
  const test::EachKernelTable each;
  constexpr std::int64_t kGroups = 3;
  constexpr std::int64_t kHeads = 2;
  constexpr std::int64_t kTokens = 5;
  constexpr std::int64_t kWidth = 24;
  constexpr std::int64_t kColumns = 3 * kHeads * kWidth;
  constexpr std::int64_t kPadded = 16;
  auto values = test::random_floats(kGroups * kTokens * kColumns, 7, -4, 4);
  const auto block = [&](std::int64_t first, std::int64_t count) {
    return Tensor(&values[first * kColumns], {count, kColumns});
  };
  std::vector<float> expected[3];
  std::vector<std::int8_t> codes[3];
  std::vector<std::uint16_t> halves[3];
  Tensor floats[3], coded[3], rounded[3];
  for (int p = 0; p < 3; ++p) {
    const std::size_t size = kGroups * kHeads * kPadded * kWidth;
    expected[p].assign(size, 9);
    codes[p].assign(size, 9);
    halves[p].assign(size, 9);
    floats[p] = Tensor(expected[p].data(), {kGroups, kHeads, kPadded, kWidth});
    coded[p] = Tensor(codes[p].data(), {kGroups, kHeads, kPadded, kWidth},
                      {.dtype = DType::kS8, .scale = 0.04F * static_cast<float>(p + 1)});
    rounded[p] = Tensor(halves[p].data(), {kGroups, kHeads, kPadded, kWidth}, kBfloat16);
  }
  // q has as many rows as tokens.
  for (auto* parts : {floats, coded, rounded}) {
    parts[0] = Tensor(parts[0].data, {kGroups, kHeads, kTokens, kWidth}, parts[0].encoding);
  }
  split_heads(block(0, kGroups * kTokens), 0, floats[0], floats[1], floats[2]);
  for (const auto& [first, count] : {std::pair{0, 7}, {7, 1}, {8, 7}}) {  // cut through groups
    encode_heads(block(first, count), first, coded[0], coded[1], coded[2]);
    encode_heads(block(first, count), first, rounded[0], rounded[1], rounded[2]);
  }
  for (int p = 0; p < 3; ++p) {
    const std::int64_t rows = kGroups * kHeads * (p == 0 ? kTokens : kPadded);
    const Tensor all(expected[p].data(), {rows, kWidth});
    std::vector<std::int8_t> wanted(rows * kWidth);
    std::vector<std::uint16_t> wanted_halves(rows * kWidth);
    quantize(all, Tensor(wanted.data(), {rows, kWidth}, coded[p].encoding));
    quantize(all, Tensor(wanted_halves.data(), {rows, kWidth}, kBfloat16));
    CHECK(std::equal(wanted.begin(), wanted.end(), codes[p].begin()));
    CHECK(std::equal(wanted_halves.begin(), wanted_halves.end(), halves[p].begin()));
  }
}

TEST_CASE("merge_heads divides by the row sums and joins the heads") {
  const test::EachKernelTable each;
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
      const auto merge = [&](const Tensor& dst) {
        merge_heads(from, std::span(row_sums).subspan(first, end - first), first, kTokens, v_scale, dst);
      };
      merge(Tensor(real.data(), {kGroups * kTokens, dim}));
      merge(Tensor(codes.data(), {kGroups * kTokens, dim}, to));
    };
    merge_part(0, 100);
    merge_part(100, kAll);
    std::vector<float> copied(sums.size());
    std::vector<float> rows(sums.begin(), sums.end());
    merge_heads(Tensor(rows.data(), {kAll, head_dim}), 0, kTokens, Tensor(copied.data(), {kGroups * kTokens, dim}));
    std::vector<std::int32_t> backwards(kGroups * kTokens);
    std::iota(backwards.rbegin(), backwards.rend(), 0);
    std::vector<float> permuted(sums.size());
    std::vector<float> turned(sums.size());
    merge_heads(Tensor(rows.data(), {kAll, head_dim}), 0, kTokens, Tensor(permuted.data(), {kGroups * kTokens, dim}),
                backwards);
    merge_heads(Tensor(sums.data(), {kAll, head_dim}, kSums), row_sums, 0, kTokens, v_scale,
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

TEST_CASE("split_heads copies bf16 values and clears the padding") {
  const test::EachKernelTable each;
  constexpr std::int64_t kGroups = 3;
  constexpr std::int64_t kHeads = 2;
  constexpr std::int64_t kTokens = 5;
  for (const std::int64_t head_dim : {1, 16, 19, 64}) {
    const std::int64_t row = 3 * kHeads * head_dim;
    std::vector<std::uint16_t> values(kGroups * kTokens * row);
    std::iota(values.begin(), values.end(), std::uint16_t{1});
    const std::int64_t padded[] = {kTokens, 16, 32};
    std::vector<std::uint16_t> parts[3];
    std::vector<Tensor> views;
    for (int i = 0; i < 3; ++i) {
      parts[i].assign(kGroups * kHeads * padded[i] * head_dim, 7);
      views.emplace_back(parts[i].data(), std::initializer_list<std::int64_t>{kGroups, kHeads, padded[i], head_dim},
                         kBfloat16);
    }
    const Tensor all(values.data(), {kGroups * kTokens, row}, kBfloat16);
    split_heads(rows_of(all, 0, 7), 0, views[0], views[1], views[2]);
    split_heads(rows_of(all, 7, kGroups * kTokens - 7), 7, views[0], views[1], views[2]);
    std::int64_t wrong = 0;
    for (int part = 0; part < 3; ++part) {
      for (std::int64_t i = 0; i < std::ssize(parts[part]); ++i) {
        const std::int64_t c = i % head_dim;
        const std::int64_t token = i / head_dim % padded[part];
        const std::int64_t head = i / head_dim / padded[part] % kHeads;
        const std::int64_t group = i / head_dim / padded[part] / kHeads;
        const std::int64_t at = (group * kTokens + token) * row + (part * kHeads + head) * head_dim + c;
        wrong += parts[part][i] != (token < kTokens ? values[at] : 0);
      }
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("merge_heads with a code book: as without, then looked up") {
  const test::EachKernelTable each;
  for (const std::int64_t head_dim : {1, 7, 16, 24, 33, 64}) {
    CAPTURE(head_dim);
    constexpr std::int64_t kGroups = 2;
    constexpr std::int64_t kHeads = 3;
    constexpr std::int64_t kTokens = 37;
    auto sums = random_codes<std::int32_t>(kGroups * kHeads * kTokens * head_dim, 1, -900000, 900000);
    auto row_sums = random_codes<std::int32_t>(kGroups * kHeads * kTokens, 2, 255, 20000);
    const Tensor from(sums.data(), {kGroups * kHeads * kTokens, head_dim}, kSums);
    check_code_book(kGroups * kTokens, kHeads * head_dim, Encoding{DType::kU8, 0.07F, 120},
                    [&](const Tensor& dst) { merge_heads(from, row_sums, 0, kTokens, 0.03F, dst); });
  }
}

TEST_CASE("split and merge of heads refuse what does not fit") {
  std::vector<std::int32_t> sums(64, 1);
  std::vector<float> ones(8, 1.0F);
  std::vector<float> dst(64);
  const Tensor from(sums.data(), {8, 8}, kSums);
  const Tensor codes(dst.data(), {8, 8}, Encoding{DType::kU8});
  const PerColumn values{ones, ones};
  const Tensor head(dst.data(), {1, 1, 8, 2}, Encoding{DType::kS8});
  CHECK_THROWS_AS(split_heads(from, values, 0, head, head, head), Error);
  const CodeBook book{};
  const Tensor with_book(dst.data(), {1, 1, 2, 8}, Encoding{DType::kS8, 1.0F, 0, 8, book.data()});
  std::vector<float> many(24, 1.0F);
  CHECK_THROWS_AS(split_heads(Tensor(sums.data(), {2, 24}, kSums), {many, many}, 0, with_book, with_book, with_book),
                  Error);
  const auto row_sums = std::span(sums).first(8);
  CHECK_NOTHROW(merge_heads(from, row_sums, 0, 4, 1.0F, codes));
  CHECK_THROWS_AS(merge_heads(from, row_sums, 0, 3, 1.0F, codes), Error);  // 8 rows are no groups of 3 tokens
  CHECK_THROWS_AS(merge_heads(from, row_sums, 1, 4, 1.0F, codes), Error);  // there is no ninth row
  CHECK_THROWS_WITH_AS(merge_heads(from, std::span(sums).first(7), 0, 4, 1.0F, codes),
                       "merge_heads: 7 row sums for 8 rows", Error);
  CHECK_THROWS_AS(merge_heads(from, 0, 4, codes), Error);
  const std::vector<std::int32_t> short_order(3);
  CHECK_THROWS_AS(merge_heads(from, row_sums, 0, 2, 1.0F, codes, short_order), Error);
}
