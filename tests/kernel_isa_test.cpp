// The tables of kernels, side by side: every loop, compiled for every instruction set that this CPU has, must write the
// same bits as the one for x86-64-v2.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "engine/error.h"
#include "engine/isa.h"
#include "engine/kernels/activation.h"
#include "engine/kernels/code_book.h"
#include "engine/kernels/dispatch.h"
#include "engine/kernels/heads.h"
#include "engine/kernels/l2_norm.h"
#include "engine/kernels/layer_norm.h"
#include "engine/kernels/requantize.h"
#include "engine/kernels/rotate.h"
#include "engine/kernels/search.h"
#include "engine/kernels/softmax.h"
#include "tests/random.h"
#include "tests/random_codes.h"

using namespace vitq;
using test::random_codes;
using test::random_floats;

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr Encoding kSums{.dtype = DType::kS32};

// Lengths around one, two and four vectors, and those of models.
constexpr std::int64_t kLengths[] = {1, 2, 7, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 197, 577, 1536};

// What a kernel wrote, as bytes. A NaN is a NaN: which of its operands' bits an instruction keeps is not said anywhere.
class Written {
 public:
  void add(const std::vector<float>& values) {
    for (float value : values) {
      if (std::isnan(value)) value = kNaN;
      append(&value, sizeof(value));
    }
  }
  void add_bf16(const std::vector<std::uint16_t>& values) {
    for (std::uint16_t value : values) {
      if ((value & 0x7fff) > 0x7f80) value = 0x7fc0;
      append(&value, sizeof(value));
    }
  }
  template <class T>
  void add(const std::vector<T>& values) {
    append(values.data(), values.size() * sizeof(T));
  }
  bool operator==(const Written&) const = default;

 private:
  void append(const void* from, std::size_t size) {
    const auto* bytes = static_cast<const char*>(from);
    bytes_.insert(bytes_.end(), bytes, bytes + size);
  }
  std::vector<char> bytes_;
};

// write(Written&) with every table; all must have written what the first did.
template <class Write>
void check_all(const std::string& what, const Write& write) {
  Written expected;
  const auto tables = available_kernels();
  for (const KernelTable* table : tables) {
    const KernelScope scope(*table);
    Written written;
    write(written);
    if (table == tables.front()) {
      expected = written;
      CHECK(expected != Written{});
    } else {
      INFO(what, ": ", table->name, " against ", tables.front()->name);
      CHECK((written == expected));
    }
  }
}

// Numbers of all sizes, and every kind of one that is none.
std::vector<float> odd_floats(std::int64_t count, std::uint64_t seed) {
  constexpr float kOdd[] = {0.0F,   -0.0F, 1e-45F, -1e-39F, 1e-38F,    3e38F,      -3e38F, 87.5F, -87.0F,
                            -88.0F, 3.9F,  5.6F,   -5.6F,   kInfinity, -kInfinity, kNaN,   0.5F,  2.5F};
  auto values = random_floats(count, seed, -9, 9);
  for (std::int64_t i = static_cast<std::int64_t>(seed % 5); i < count; i += 5) {
    values[i] = kOdd[(i / 5 + seed) % std::size(kOdd)];
  }
  return values;
}

Tensor matrix(std::vector<float>& values, std::int64_t rows) {
  return {values.data(), {rows, std::ssize(values) / rows}};
}

constexpr Encoding kU8{.dtype = DType::kU8, .scale = 0.03F, .zero_point = 99};
constexpr Encoding kU4{.dtype = DType::kU8, .scale = 0.4F, .zero_point = 6, .bits = 4};

}  // namespace

TEST_CASE("kernels: activations and gates have the same bits on every instruction set") {
  for (const std::int64_t n : kLengths) {
    const auto source = odd_floats(n, n);
    auto halves_of = odd_floats(4 * n, n + 1);
    check_all("activations of " + std::to_string(n), [&](Written& written) {
      for (const Activation f : {Activation::kGelu, Activation::kQuickGelu, Activation::kTanhGelu, Activation::kSilu}) {
        auto x = source;
        std::vector<std::uint16_t> halves(2 * n);
        std::vector<std::uint8_t> codes(2 * n);
        std::vector<float> gated(2 * n);
        activate(matrix(x, 1), f, Tensor(halves.data(), {1, n}, kBfloat16));
        activate(matrix(x, 1), f);
        written.add(x);
        written.add_bf16(halves);
        const Tensor both = matrix(halves_of, 2);
        gate(both, f, Tensor(gated.data(), {2, n}));
        gate(both, f, Tensor(halves.data(), {2, n}, kBfloat16));
        gate(both, f, Tensor(codes.data(), {2, n}, kU8));
        written.add(gated);
        written.add_bf16(halves);
        written.add(codes);
      }
    });
  }
}

TEST_CASE("kernels: rotation has the same bits on every instruction set") {
  constexpr std::int64_t kTokens = 5;
  for (const std::int64_t n : {2, 4, 12, 16, 24, 32, 64, 72, 80}) {
    const auto cosine = random_floats((kTokens - 1) * n, 1);
    const auto sine = random_floats((kTokens - 1) * n, 2);
    const auto source = odd_floats(2 * kTokens * 3 * n, n);
    check_all("rotation of " + std::to_string(n), [&](Written& written) {
      for (const bool pairs : {false, true}) {
        auto x = source;
        rotate(matrix(x, 2 * kTokens), 0, kTokens, n,
               {.cosine = cosine, .sine = sine, .prefix = 1, .pairs_neighbours = pairs});
        written.add(x);
      }
    });
  }
}

TEST_CASE("kernels: l2_norm has the same bits on every instruction set") {
  constexpr std::int64_t kRows = 5;
  const std::vector<float> lengths = {0.3F, 1.0F, 23.8F};
  for (const std::int64_t n : {1, 2, 7, 16, 24, 32, 64, 72, 80}) {
    auto source = odd_floats(kRows * 3 * n, n);
    std::ranges::copy(random_floats(3 * 3 * n, n, -8, 8), source.begin());
    std::fill_n(source.begin(), n, 0.0F);
    check_all("l2_norm of " + std::to_string(n), [&](Written& written) {
      auto x = source;
      l2_norm(matrix(x, kRows), n, lengths);
      written.add(x);
    });
  }
}

TEST_CASE("kernels: layer_norm has the same bits on every instruction set") {
  constexpr std::int64_t kRows = 4;
  for (const std::int64_t n : kLengths) {
    auto source = random_floats(kRows * n, n, -8, 8);
    std::fill_n(source.begin(), n, 0.0F);
    const auto odd = odd_floats(n, n);
    std::ranges::copy(odd, source.begin() + n);
    const auto gamma = random_floats(n, 5, -50, 50);
    const auto beta = random_floats(n, 6, 0, 255);
    check_all("layer_norm of " + std::to_string(n), [&](Written& written) {
      auto x = source;
      std::vector<std::uint16_t> halves(kRows * n);
      std::vector<std::uint8_t> codes(kRows * n);
      layer_norm(matrix(x, kRows), gamma, beta, {.eps = 1e-6F}, Tensor(halves.data(), {kRows, n}, kBfloat16));
      layer_norm_codes(matrix(x, kRows), gamma, beta, {.eps = 1e-6F}, Tensor(codes.data(), {kRows, n}, kU8));
      written.add(codes);
      layer_norm_codes(matrix(x, kRows), gamma, beta, {.is_centred = false}, Tensor(codes.data(), {kRows, n}, kU8));
      std::vector<float> sums(kRows * n, 1.5F);
      add_layer_norm(matrix(x, kRows), gamma, beta, {.eps = 1e-6F}, matrix(sums, kRows));
      written.add(sums);
      layer_norm(matrix(x, kRows), gamma, beta, {.eps = 1e-6F}, matrix(x, kRows));
      written.add(x);
      written.add_bf16(halves);
      written.add(codes);
    });
  }
}

TEST_CASE("kernels: requantization has the same bits on every instruction set") {
  constexpr std::int64_t kRows = 3;
  CodeBook book{};
  for (int i = 0; i < 256; ++i) book[i] = static_cast<std::uint8_t>(i * 7);
  for (const std::int64_t n : kLengths) {
    auto sums = random_codes<std::int32_t>(kRows * n, n, -2'000'000'000, 2'000'000'000);
    for (std::int64_t i = 0; i < n; ++i) sums[i] /= 10'000;
    const auto multiplier = random_floats(n, 8, 0, 1e-4F);
    const auto offset = odd_floats(n, 9);
    const auto before = random_floats(kRows * n, 10);
    const auto floats = odd_floats(kRows * n, 11);
    const Tensor from(sums.data(), {kRows, n}, kSums);
    check_all("requantize " + std::to_string(n), [&](Written& written) {
      auto source = floats;
      std::vector<std::uint8_t> codes(kRows * n);
      std::vector<std::uint16_t> halves(kRows * n);
      Encoding with_book{.dtype = DType::kU8, .scale = 0.03F, .zero_point = 99};
      with_book.code_book = book.data();
      for (const Epilogue epilogue : {Epilogue::kNone, Epilogue::kGelu, Epilogue::kQuickGelu, Epilogue::kTanhGelu,
                                      Epilogue::kSilu, Epilogue::kAccumulate}) {
        auto x = before;
        requantize(from, {multiplier, offset}, matrix(x, kRows), epilogue);
        written.add(x);
        if (epilogue == Epilogue::kAccumulate) continue;
        for (const Encoding& means : {kU8, kU4, with_book}) {
          requantize(from, {multiplier, offset}, Tensor(codes.data(), {kRows, n}, means), epilogue);
          written.add(codes);
        }
      }
      for (const Encoding& means : {kU8, kU4, with_book, Encoding{.dtype = DType::kS8, .scale = 0.07F}}) {
        quantize(matrix(source, kRows), Tensor(codes.data(), {kRows, n}, means));
        written.add(codes);
      }
      quantize(matrix(source, kRows), Tensor(halves.data(), {kRows, n}, kBfloat16));
      written.add_bf16(halves);
    });
  }
}

TEST_CASE("kernels: scales of rows have the same bits on every instruction set") {
  constexpr std::int64_t kRows = 3;
  for (const std::int64_t n : kLengths) {
    auto sums = random_codes<std::int32_t>(kRows * n, n, -2'000'000, 2'000'000);
    auto source = random_floats(kRows * n, 12, -9, 9);
    std::fill_n(source.begin(), n, 0.0F);
    const auto multiplier = random_floats(n, 8, 0, 1e-4F);
    const auto offset = random_floats(n, 9);
    const auto bias = random_floats(n, 10);
    const auto before = random_floats(kRows * n, 11);
    check_all("scales of rows of " + std::to_string(n), [&](Written& written) {
      std::vector<std::uint8_t> codes(kRows * n);
      std::vector<float> scales(kRows);
      Tensor dst(codes.data(), {kRows, n}, {.dtype = DType::kU8, .zero_point = 32, .row_scales = true});
      dst.row_scales = scales.data();
      quantize_rows(matrix(source, kRows), dst);
      written.add(codes);
      written.add(scales);
      for (const Epilogue epilogue : {Epilogue::kNone, Epilogue::kGelu, Epilogue::kQuickGelu, Epilogue::kTanhGelu,
                                      Epilogue::kSilu, Epilogue::kAccumulate}) {
        auto x = before;
        requantize(Tensor(sums.data(), {kRows, n}, kSums), {multiplier, offset}, {scales.data(), bias},
                   matrix(x, kRows), epilogue);
        written.add(x);
      }
    });
  }
}

TEST_CASE("kernels: softmax has the same bits on every instruction set") {
  constexpr std::int64_t kHeads = 3;
  constexpr std::int64_t kTokens = 5;
  constexpr std::int64_t kRows = 4 * kHeads * kTokens;
  for (const std::int64_t n : {1, 5, 16, 49, 63, 64, 197}) {
    const std::int64_t stride = padded_columns(n);
    auto bias = random_floats(kHeads * kTokens * stride, 3, -3, 3);
    auto mask = random_floats(2 * kTokens * stride, 4, -6, 0);
    bias[stride] = kNaN;
    for (std::int64_t i = 0; i < std::ssize(mask); i += 3) mask[i] = i % stride == 0 ? 0 : -kInfinity;
    for (int kind = 0; kind < 4; ++kind) {
      ScoreTerms terms{.heads = kHeads, .tokens = kTokens};
      if ((kind & 1) != 0) terms.bias = bias;
      if ((kind & 2) != 0) terms.mask = mask;
      auto source = random_floats(kRows * stride, 5, -300, 300);
      std::fill_n(source.begin(), stride, 0.0F);
      source[stride] = kNaN;
      source[2 * stride] = kInfinity;
      check_all("softmax of " + std::to_string(n), [&](Written& written) {
        auto scores = source;
        const std::int64_t half_stride = padded_probabilities(n);
        std::vector<std::uint16_t> halves(kRows * half_stride);
        const Tensor view(scores.data(), {kRows, n}, {stride, 1});
        softmax_bf16(view, 0.125F, Tensor(halves.data(), {kRows, n}, {half_stride, 1}, kBfloat16), terms);
        written.add_bf16(halves);
        scores = source;
        softmax(view, 0.125F, terms);
        written.add(scores);
      });
    }
  }
}

TEST_CASE("kernels: softmax_codes has the same bits on every instruction set") {
  constexpr std::int64_t kHeads = 3;
  constexpr std::int64_t kTokens = 5;
  constexpr std::int64_t kRows = 4 * kHeads * kTokens;
  std::vector<SoftmaxLevels> all_levels(1);
  for (const std::int64_t count : {16, 64}) {
    std::vector<std::uint8_t> table(kSoftmaxTable);
    for (std::int64_t i = 0; i < kSoftmaxTable; ++i) {
      table[i] = static_cast<std::uint8_t>(i * count / kSoftmaxTable * 255 / (count - 1));
    }
    all_levels.emplace_back(table);
  }
  for (const std::int64_t n : {1, 5, 16, 49, 63, 64, 197}) {
    const std::int64_t stride = padded_columns(n);
    auto scores = random_codes<std::int32_t>(kRows * stride, 6, -30000, 30000);
    std::fill_n(scores.begin(), stride, 0);
    auto bias = random_floats(kHeads * kTokens * stride, 3, -3, 3);
    const auto mask = random_floats(2 * kTokens * stride, 4, -6, 0);
    bias[stride] = kNaN;
    bias[2 * stride] = kInfinity;
    bias[3 * stride] = -kInfinity;
    for (const SoftmaxLevels& levels : all_levels) {
      for (int kind = 0; kind < 4; ++kind) {
        ScoreTerms terms{.heads = kHeads, .tokens = kTokens};
        if ((kind & 1) != 0) terms.bias = bias;
        if ((kind & 2) != 0) terms.mask = mask;
        check_all("softmax_codes of " + std::to_string(n), [&](Written& written) {
          const std::int64_t codes_stride = padded_levels(n);
          std::vector<std::uint8_t> codes(kRows * codes_stride, 77);
          std::vector<std::int32_t> sums(kRows);
          softmax_codes(Tensor(scores.data(), {kRows, n}, {stride, 1}, kSums), 1.3e-4F,
                        Tensor(codes.data(), {kRows, n}, {codes_stride, 1}, {.dtype = DType::kU8}), sums, terms,
                        levels);
          written.add(codes);
          written.add(sums);
        });
      }
    }
  }
}

TEST_CASE("kernels: split and merge of heads have the same bits on every instruction set") {
  constexpr std::int64_t kGroups = 2;
  constexpr std::int64_t kHeads = 3;
  constexpr std::int64_t kTokens = 9;
  constexpr std::int64_t kPadded = 16;
  CodeBook book{};
  for (int i = 0; i < 256; ++i) book[i] = static_cast<std::uint8_t>(255 - i);
  for (const std::int64_t dim : {1, 8, 16, 20, 32, 40, 64, 80}) {
    const std::int64_t width = kHeads * dim;
    auto qkv = random_codes<std::int32_t>(kGroups * kTokens * 3 * width, 7, -90'000, 90'000);
    const auto multiplier = random_floats(3 * width, 8, 0, 1e-4F);
    const auto offset = odd_floats(3 * width, 9);
    auto products = random_codes<std::int32_t>(kGroups * kTokens * width, 17, -90'000, 90'000);
    const auto row_sums = random_codes<std::int32_t>(kGroups * kHeads * kTokens, 18, 1, 3000);
    check_all("heads of " + std::to_string(dim), [&](Written& written) {
      const Encoding means{.dtype = DType::kS8, .scale = 0.05F};
      std::vector<std::int8_t> q(kGroups * kTokens * width);
      std::vector<std::int8_t> k(kGroups * kPadded * width, 1);
      std::vector<std::int8_t> v(kGroups * kPadded * width, 1);
      split_heads(Tensor(qkv.data(), {kGroups * kTokens, 3 * width}, kSums), {multiplier, offset}, 0,
                  Tensor(q.data(), {kGroups, kHeads, kTokens, dim}, means),
                  Tensor(k.data(), {kGroups, kHeads, kPadded, dim}, means),
                  Tensor(v.data(), {kGroups, kHeads, kPadded, dim}, means));
      for (const auto& part : {q, k, v}) written.add(part);
      const Tensor sums(products.data(), {kGroups * kHeads * kTokens, dim}, kSums);
      std::vector<float> floats(products.size());
      merge_heads(sums, row_sums, 0, kTokens, 0.02F, matrix(floats, kGroups * kTokens));
      written.add(floats);
      std::vector<std::uint8_t> codes(products.size());
      Encoding to{.dtype = DType::kU8, .scale = 0.9F, .zero_point = 88};
      for (const bool with_book : {false, true}) {
        to.code_book = with_book ? book.data() : nullptr;
        merge_heads(sums, row_sums, 0, kTokens, 0.02F, Tensor(codes.data(), {kGroups * kTokens, width}, to));
        written.add(codes);
      }
    });
  }
}

TEST_CASE("kernels: look-ups and the searches of the quantizer have the same bits on every instruction set") {
  for (const std::int64_t n : kLengths) {
    const auto book = random_codes<std::uint8_t>(256, 3, 0, 255);
    const auto codes = random_codes<std::uint8_t>(n, n, 0, 255);
    const auto values = random_floats(3 * n, n, -2, 2);
    const auto odd = odd_floats(n, n);
    check_all("look-up and rounding error of " + std::to_string(n), [&](Written& written) {
      auto looked_up = codes;
      look_up(book.data(), looked_up.data(), n);
      written.add(looked_up);
      std::vector<double> errors;
      for (const float scale : {0.01F, 0.3F}) errors.push_back(rounding_error(values, {1.0F / scale, scale, -7, 8}));
      written.add(errors);
      written.add(
          std::vector<int>{all_finite(values), all_finite(odd), std::isfinite(rounding_error(odd, {1, 1, 0, 9}))});
    });
  }
  for (const std::int64_t stride : {16, 32, 48, 64, 112}) {
    constexpr std::int64_t kTokens = 19;
    std::vector<float> table(256);
    for (int i = 0; i < 256; ++i) table[i] = static_cast<float>(i);
    const auto indices = random_codes<std::uint16_t>(kTokens, 3, 0, 255);
    const auto v = random_floats(kTokens * stride, 4);
    const auto expected = random_floats(stride, 5);
    check_all("attention error of " + std::to_string(stride), [&](Written& written) {
      written.add(std::vector<double>{attention_error({.table = table.data(),
                                                       .indices = indices.data(),
                                                       .v = v.data(),
                                                       .expected = expected.data(),
                                                       .tokens = kTokens,
                                                       .stride = stride})});
    });
  }
}

TEST_CASE("kernels: nearest planes have the same bits on every instruction set, and those of one at a time") {
  constexpr std::int64_t kSize = 37;
  constexpr std::int64_t kPlanes = rows::kPlanes;
  const auto below = random_floats(kSize * (kSize - 1) / 2, 1);
  const auto weight = random_floats(kSize, 2, 0.1F, 2);
  const auto values = random_floats(kSize * kPlanes, 3, -3, 3);
  const auto scale = random_floats(kPlanes, 4, 0.1F, 0.5F);
  const std::vector<float> levels{-6, -2, 0, 1, 5};
  const std::vector<float> borders{-4, -1, 0.5F, 3};
  const std::vector<float> lowest(kPlanes, -6);
  const std::vector<float> highest(kPlanes, 5);
  std::vector<float> inverse;
  for (const float s : scale) inverse.push_back(1.0F / s);
  for (const bool by_levels : {false, true}) {
    std::vector<std::int8_t> codes(kSize * kPlanes);
    check_all(by_levels ? "levels" : "whole numbers", [&](Written& written) {
      auto left = values;
      std::vector<float> error(kPlanes);
      round_to_nearest_planes({.size = kSize,
                               .below = below.data(),
                               .weight = weight.data(),
                               .levels = by_levels ? levels.data() : nullptr,
                               .borders = borders.data(),
                               .level_count = std::ssize(levels),
                               .scale = scale.data(),
                               .inverse = inverse.data(),
                               .lowest = lowest.data(),
                               .highest = highest.data(),
                               .values = left.data(),
                               .error = error.data(),
                               .codes = codes.data()});
      written.add(left);
      written.add(error);
      written.add(codes);
    });
    // One plane at a time, as engine/kernels/search.h says.
    int wrong = 0;
    for (std::int64_t p = 0; p < kPlanes; ++p) {
      std::vector<float> left(kSize);
      const float* column = below.data() + std::ssize(below);
      for (std::int64_t i = kSize - 1; i >= 0; --i) {
        column -= kSize - 1 - i;
        float target = values[i * kPlanes + p];
        for (std::int64_t j = i + 1; j < kSize; ++j) target += left[j] * column[j - i - 1];
        float code = std::clamp(target * inverse[p], -6.0F, 5.0F);
        if (by_levels) {
          std::size_t k = 0;
          while (k < borders.size() && code > borders[k]) ++k;
          code = levels[k];
        }
        code = std::nearbyint(code);
        left[i] = values[i * kPlanes + p] - code * scale[p];
        wrong += codes[i * kPlanes + p] != static_cast<int>(code);
      }
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("kernels: the widest table runs, and a scope sets another in every thread until it ends") {
  const KernelTable& usual = kernels();
  CHECK(&usual == available_kernels().back());
  const KernelTable& least = *available_kernels().front();
  CHECK(std::string(least.name) == "sse4");
  {
    const KernelScope scope(least);
    CHECK(&kernels() == &least);
    const KernelTable* elsewhere = nullptr;
    std::thread([&] { elsewhere = &kernels(); }).join();
    CHECK(elsewhere == &least);
  }
  CHECK(&kernels() == &usual);
}

TEST_CASE("kernels: an instruction set and all below it have a table") {
  CHECK(isa() <= cpu_isa());
  std::size_t expected = 1;
  if (isa() >= Isa::kAvx2) ++expected;
  if (isa() >= Isa::kAvx512) ++expected;
  if (isa() >= Isa::kAvx512Vnni && has_vbmi()) ++expected;
  CHECK(available_kernels().size() == expected);
  CHECK(name_of(Isa::kSse4) == "sse4");
  CHECK(name_of(Isa::kAmx) == "amx");
}
