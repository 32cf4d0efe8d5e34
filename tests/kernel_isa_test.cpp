// The row kernels as compiled for one instruction set against those for another: the same bits, of ordinary values and
// of those that are not, for every length of the last vector. Whether they are right, each kernel's own test says,
// which runs once for each VITQ_ISA (CMakeLists.txt).

#include <doctest/doctest.h>

#include <cstring>
#include <functional>
#include <limits>
#include <vector>

#include "engine/kernels/code_book.h"
#include "engine/kernels/dispatch.h"
#include "engine/kernels/gelu.h"
#include "engine/kernels/heads.h"
#include "engine/kernels/layer_norm.h"
#include "engine/kernels/requantize.h"
#include "engine/kernels/softmax.h"
#include "tests/random.h"
#include "tests/random_codes.h"

using namespace vitq;

namespace {

constexpr std::int64_t kRows = 5;
constexpr std::int64_t kColumns[] = {1, 15, 16, 17, 31, 49, 64, 197};
constexpr Encoding kU8{.dtype = DType::kU8, .scale = 0.04F, .zero_point = 61};
constexpr Encoding kU4{.dtype = DType::kU8, .scale = 0.4F, .zero_point = 6, .bits = 4};
constexpr Encoding kSums{.dtype = DType::kS32};

// Random values; with `strange`, some that are no numbers, too large, too small, or half-way between two codes.
std::vector<float> values(std::int64_t count, unsigned seed, bool strange) {
  auto result = test::random_floats(count, seed, -6, 6);
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const float odd[] = {kNan, kInfinity, -kInfinity, 0.0F, -0.0F, 1e-42F, -1e-42F, 3e38F, 1e-30F, 0.02F, 0.06F, -90.0F};
  for (std::int64_t i = 0; strange && i < count; i += 3) result[i] = odd[i / 3 % std::size(odd)];
  return result;
}

// What `write` writes into `bytes` bytes is the same with every table.
void check_same(std::size_t bytes, const std::function<void(void*)>& write) {
  std::vector<std::vector<std::uint8_t>> written;
  for (const KernelTable* table : available_kernels()) {
    const KernelScope scope(*table);
    written.emplace_back(bytes + 64, std::uint8_t{0});
    write(written.back().data());
    CAPTURE(table->name);
    CHECK(written.back() == written.front());
  }
}

// A NaN has many forms, and which of them a CPU makes is its own affair.
void as_numbers(void* floats, std::int64_t count) {
  auto* value = static_cast<float*>(floats);
  for (std::int64_t i = 0; i < count; ++i) {
    if (value[i] != value[i]) value[i] = std::numeric_limits<float>::quiet_NaN();
  }
}

}  // namespace

TEST_CASE("kernels for every instruction set: there are several to compare, and a scope chooses among them") {
  const auto tables = available_kernels();
  REQUIRE(!tables.empty());
  for (const KernelTable* table : tables) {
    const KernelScope scope(*table);
    CHECK(&kernels() == table);
  }
  CHECK(&kernels() == tables.back());
  MESSAGE("tables on this CPU: ", tables.size(), ", the widest ", tables.back()->name);
}

TEST_CASE("kernels for every instruction set: LayerNorm to floats, bf16 and codes") {
  for (const std::int64_t columns : kColumns) {
    CAPTURE(columns);
    auto src = values(kRows * columns, 1, false);
    const auto gamma = values(columns, 2, false);
    const auto beta = values(columns, 3, false);
    const Tensor from(src.data(), {kRows, columns});
    check_same(kRows * columns * 4, [&](void* to) {
      layer_norm(from, gamma, beta, 1e-6F, Tensor(to, {kRows, columns}));
    });
    check_same(kRows * columns * 2, [&](void* to) {
      layer_norm(from, gamma, beta, 1e-6F, Tensor(to, {kRows, columns}, kBfloat16));
    });
    check_same(kRows * columns, [&](void* to) {
      layer_norm_codes(from, gamma, beta, 1e-6F, Tensor(to, {kRows, columns}, kU8));
    });
  }
}

TEST_CASE("kernels for every instruction set: softmax to floats, bf16 and levels") {
  std::vector<std::uint8_t> steep(kSoftmaxTable);
  std::vector<std::uint8_t> few(kSoftmaxTable);
  for (std::int64_t i = 0; i < kSoftmaxTable; ++i) {
    steep[i] = static_cast<std::uint8_t>(255 * i / (kSoftmaxTable - 1));
    few[i] = static_cast<std::uint8_t>(17 * (15 * i / (kSoftmaxTable - 1)));
  }
  for (const std::int64_t columns : kColumns) {
    CAPTURE(columns);
    const std::int64_t stride = padded_columns(columns);
    const auto scores = values(kRows * stride, 4, false);
    const auto bias = values(kRows * stride, 5, false);
    const ScoreTerms terms{.bias = bias, .mask = {}, .heads = 1, .tokens = kRows};
    for (const ScoreTerms& added : {ScoreTerms{}, terms}) {
      check_same(kRows * stride * 4, [&](void* to) {
        std::memcpy(to, scores.data(), scores.size() * 4);
        softmax(Tensor(to, {kRows, columns}, {stride, 1}), 0.3F, added);
      });
      const std::int64_t halves = padded_probabilities(columns);
      check_same(kRows * halves * 2, [&](void* to) {
        auto own = scores;
        softmax_bf16(Tensor(own.data(), {kRows, columns}, {stride, 1}), 0.3F,
                     Tensor(to, {kRows, columns}, {halves, 1}, kBfloat16), added);
      });
      auto sums = test::random_codes<std::int32_t>(kRows * stride, 6, -30000, 30000);
      const std::int64_t levels_stride = padded_levels(columns);
      for (const SoftmaxLevels& levels : {SoftmaxLevels(), SoftmaxLevels(steep), SoftmaxLevels(few)}) {
        check_same(kRows * levels_stride + kRows * 4, [&](void* to) {
          std::vector<std::int32_t> row_sums(kRows);
          softmax_codes(Tensor(sums.data(), {kRows, columns}, {stride, 1}, kSums), 2e-4F,
                        Tensor(to, {kRows, columns}, {levels_stride, 1}, kU8), row_sums, added, levels);
          std::memcpy(static_cast<std::uint8_t*>(to) + kRows * levels_stride, row_sums.data(), kRows * 4);
        });
      }
    }
  }
}

TEST_CASE("kernels for every instruction set: GELU, requantization and codes, of strange values too") {
  std::vector<std::uint8_t> levels(16);
  for (int i = 0; i < 16; ++i) levels[i] = static_cast<std::uint8_t>(i * (i + 1));
  const CodeBook book = nearest_levels(levels);
  Encoding with_book = kU8;
  with_book.code_book = book.data();
  for (const std::int64_t columns : kColumns) {
    for (const bool strange : {false, true}) {
      CAPTURE(columns);
      CAPTURE(strange);
      auto src = values(kRows * columns, 7, strange);
      const Tensor from(src.data(), {kRows, columns});
      check_same(kRows * columns * 4, [&](void* to) {
        std::memcpy(to, src.data(), src.size() * 4);
        gelu(Tensor(to, {kRows, columns}));
        as_numbers(to, kRows * columns);
      });
      if (!strange) {
        check_same(kRows * columns * 2, [&](void* to) { gelu(from, Tensor(to, {kRows, columns}, kBfloat16)); });
      }
      for (const Encoding& means : {kU8, kU4, with_book, Encoding{.dtype = DType::kS8, .scale = 0.03F, .bits = 7}}) {
        check_same(kRows * columns, [&](void* to) { quantize(from, Tensor(to, {kRows, columns}, means)); });
      }
      auto sums = test::random_codes<std::int32_t>(kRows * columns, 8, -3'000'000, 3'000'000);
      const auto multiplier = test::random_floats(columns, 9, 1e-7F, 3e-6F);
      const auto offset = values(columns, 10, strange);
      const Tensor products(sums.data(), {kRows, columns}, kSums);
      for (const Epilogue epilogue : {Epilogue::kNone, Epilogue::kGelu, Epilogue::kAccumulate}) {
        check_same(kRows * columns * 4, [&](void* to) {
          requantize(products, {multiplier, offset}, Tensor(to, {kRows, columns}), epilogue);
          as_numbers(to, kRows * columns);
        });
        if (epilogue == Epilogue::kAccumulate) continue;
        for (const Encoding& means : {kU8, kU4, with_book}) {
          check_same(kRows * columns, [&](void* to) {
            requantize(products, {multiplier, offset}, Tensor(to, {kRows, columns}, means), epilogue);
          });
        }
      }
    }
  }
}

TEST_CASE("kernels for every instruction set: heads are split and merged alike") {
  constexpr std::int64_t kHeads = 2;
  for (const std::int64_t head_dim : {1, 16, 20, 64}) {
    CAPTURE(head_dim);
    const std::int64_t columns = 3 * kHeads * head_dim;
    auto sums = test::random_codes<std::int32_t>(kRows * columns, 11, -30000, 30000);
    const auto multiplier = test::random_floats(columns, 12, 1e-5F, 3e-4F);
    const auto offset = values(columns, 13, false);
    const Encoding s8{.dtype = DType::kS8, .scale = 0.05F, .bits = 8};
    const std::int64_t part = kHeads * kRows * head_dim;
    check_same(3 * part, [&](void* to) {
      auto* bytes = static_cast<std::uint8_t*>(to);
      const auto at = [&](int i) { return Tensor(bytes + i * part, {1, kHeads, kRows, head_dim}, s8); };
      split_heads(Tensor(sums.data(), {kRows, columns}, kSums), {multiplier, offset}, 0, at(0), at(1), at(2));
    });
    const auto row_sums = test::random_codes<std::int32_t>(kHeads * kRows, 14, 255, 40000);
    for (const Encoding& means : {kFloat, kU8}) {
      check_same(part * size_of(means.dtype), [&](void* to) {
        merge_heads(Tensor(sums.data(), {kHeads * kRows, head_dim}, kSums), row_sums, 0, kRows, 0.02F,
                    Tensor(to, {kRows, kHeads * head_dim}, means));
      });
    }
  }
}
