// One row per kernel, and per matrix shape of every model in the zoo; arguments are the shapes.

#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <set>
#include <type_traits>
#include <utility>
#include <vector>

#include "engine/gemm/onednn.h"
#include "engine/kernels/activation.h"
#include "engine/kernels/code_book.h"
#include "engine/kernels/heads.h"
#include "engine/kernels/l2_norm.h"
#include "engine/kernels/layer_norm.h"
#include "engine/kernels/requantize.h"
#include "engine/kernels/softmax.h"
#include "engine/layers/linear.h"
#include "engine/threads.h"
#include "models/zoo.h"
#include "tests/integer_layer.h"

namespace vitq::bench {

namespace {

std::vector<float> ramp(std::int64_t count) {
  std::vector<float> values(count);
  for (std::int64_t i = 0; i < count; ++i) values[i] = static_cast<float>(i * 2654435761U % 1000) / 500.0F - 1.0F;
  return values;
}

void layer_norm_rows(benchmark::State& state, Encoding means) {
  const ThreadScope scope(1);
  const std::int64_t rows = state.range(0);
  const std::int64_t dim = state.range(1);
  auto src = ramp(rows * dim);
  const auto gamma = ramp(dim);
  std::vector<float> dst(rows * dim);
  for (auto _ : state) {
    layer_norm(Tensor(src.data(), {rows, dim}), gamma, gamma, {.eps = 1e-6F}, Tensor(dst.data(), {rows, dim}, means));
  }
  state.SetItemsProcessed(state.iterations() * rows * dim);
}

// q and k of Swin V2-T's first stage: 64 by 64 patches, 3 heads.
void l2_norm_rows(benchmark::State& state) {
  const ThreadScope scope(1);
  constexpr std::int64_t kHeadDim = 32;
  const std::int64_t rows = state.range(0);
  const std::int64_t dim = state.range(1);
  auto x = ramp(rows * dim);
  const std::vector<float> lengths(dim / kHeadDim, 2.0F);
  for (auto _ : state) l2_norm(Tensor(x.data(), {rows, dim}), kHeadDim, lengths);
  state.SetItemsProcessed(state.iterations() * rows * dim);
}

void softmax_rows(benchmark::State& state) {
  const ThreadScope scope(1);
  const std::int64_t groups = state.range(0);
  const std::int64_t heads = state.range(1);
  const std::int64_t tokens = state.range(2);
  const std::int64_t stride = padded_columns(tokens);
  auto scores = ramp(groups * heads * tokens * stride);
  const Tensor view(scores.data(), {groups * heads * tokens, tokens}, {stride, 1});
  for (auto _ : state) softmax(view, 0.125F);
  state.SetItemsProcessed(state.iterations() * groups * heads * tokens * tokens);
}

void gelu_rows(benchmark::State& state) {
  const ThreadScope scope(1);
  const std::int64_t rows = state.range(0);
  const std::int64_t columns = state.range(1);
  const auto source = ramp(rows * columns);
  auto x = source;
  for (auto _ : state) {
    // In place: repeated on its own result it would soon work on denormals.
    state.PauseTiming();
    x = source;
    state.ResumeTiming();
    activate(Tensor(x.data(), {rows, columns}), Activation::kGelu);
  }
  state.SetItemsProcessed(state.iterations() * rows * columns);
}

void gelu_bf16_rows(benchmark::State& state) {
  const ThreadScope scope(1);
  const std::int64_t rows = state.range(0);
  const std::int64_t columns = state.range(1);
  auto x = ramp(rows * columns);
  std::vector<std::uint16_t> dst(rows * columns);
  for (auto _ : state) {
    activate(Tensor(x.data(), {rows, columns}), Activation::kGelu, Tensor(dst.data(), {rows, columns}, kBfloat16));
  }
  state.SetItemsProcessed(state.iterations() * rows * columns);
}

// In front of the patch embedding and the head.
void convert_rows(benchmark::State& state) {
  const ThreadScope scope(1);
  const std::int64_t rows = state.range(0);
  const std::int64_t columns = state.range(1);
  auto x = ramp(rows * columns);
  std::vector<std::uint16_t> dst(rows * columns);
  for (auto _ : state) quantize(Tensor(x.data(), {rows, columns}), Tensor(dst.data(), {rows, columns}, kBfloat16));
  state.SetItemsProcessed(state.iterations() * rows * columns);
}

void linear(benchmark::State& state, Epilogue epilogue) {
  const ThreadScope scope(1);
  const std::int64_t rows = state.range(0);
  const std::int64_t inputs = state.range(1);
  const std::int64_t outputs = state.range(2);
  auto src = ramp(rows * inputs);
  std::vector<float> dst(rows * outputs);
  Gemm gemm;
  const Linear layer(FloatLinear{ramp(outputs * inputs), ramp(outputs), outputs, inputs});
  const Tensor from(src.data(), {rows, inputs});
  const Tensor to(dst.data(), {rows, outputs});
  layer.run(gemm, from, to, epilogue);
  for (auto _ : state) layer.run(gemm, from, to, epilogue);
  state.counters["FLOP/s"] = benchmark::Counter(static_cast<double>(2 * state.iterations() * rows * inputs * outputs),
                                                benchmark::Counter::kIsRate);
}

constexpr Encoding kSums{.dtype = DType::kS32};
constexpr Encoding kCodes{.dtype = DType::kU8, .scale = 0.02F, .zero_point = 128};

template <class T>
std::vector<T> code_ramp(std::int64_t count, int most) {
  std::vector<T> codes(count);
  for (std::int64_t i = 0; i < count; ++i) {
    codes[i] = static_cast<T>(static_cast<int>(i * 2654435761U % (2 * most + 1)) - (std::is_signed_v<T> ? most : 0));
  }
  return codes;
}

void layer_norm_code_rows(benchmark::State& state) {
  const ThreadScope scope(1);
  const std::int64_t rows = state.range(0);
  const std::int64_t dim = state.range(1);
  auto src = ramp(rows * dim);
  const auto gain = ramp(dim);
  std::vector<std::uint8_t> dst(rows * dim);
  for (auto _ : state) {
    layer_norm_codes(Tensor(src.data(), {rows, dim}), gain, gain, {.eps = 1e-6F},
                     Tensor(dst.data(), {rows, dim}, kCodes));
  }
  state.SetItemsProcessed(state.iterations() * rows * dim);
}

// Extents and memory of an integer attention.
struct Attention {
  std::int64_t groups, heads, tokens, head_dim;
  std::int64_t scores_stride = padded_columns(tokens);
  std::int64_t levels_stride = padded_levels(tokens);
  std::int64_t rows = groups * heads * tokens;
  std::vector<std::int8_t> q = code_ramp<std::int8_t>(rows * head_dim, 127);
  std::vector<std::int8_t> k = code_ramp<std::int8_t>(groups * heads * scores_stride * head_dim, 63);
  std::vector<std::int8_t> v = code_ramp<std::int8_t>(groups * heads * levels_stride * head_dim, 63);
  std::vector<std::int32_t> scores = code_ramp<std::int32_t>(rows * scores_stride, 30000);
  std::vector<std::uint8_t> levels = code_ramp<std::uint8_t>(rows * levels_stride, 127);
  std::vector<std::int32_t> row_sums = std::vector<std::int32_t>(rows, 1000);
  std::vector<std::int32_t> sums = std::vector<std::int32_t>(rows * head_dim);

  explicit Attention(const benchmark::State& state)
      : groups(state.range(0)), heads(state.range(1)), tokens(state.range(2)), head_dim(state.range(3)) {}

  [[nodiscard]] Tensor view(void* data, std::int64_t columns, std::int64_t stride, DType dtype) const {
    return {data,
            {groups, heads, tokens, columns},
            {heads * tokens * stride, tokens * stride, stride, 1},
            Encoding{.dtype = dtype}};
  }
  // Those of all heads, one after the other.
  [[nodiscard]] Tensor matrix(void* data, std::int64_t columns, std::int64_t stride, DType dtype) const {
    return {data, {rows, columns}, {stride, 1}, Encoding{.dtype = dtype}};
  }
  [[nodiscard]] Tensor whole(void* data, std::int64_t columns, DType dtype) const {
    return view(data, columns, columns, dtype);
  }
};

void integer_scores(benchmark::State& state) {
  const ThreadScope scope(1);
  Attention a(state);
  Gemm gemm;
  const std::int64_t head = a.scores_stride * a.head_dim;
  const Tensor k(a.k.data(), {a.groups, a.heads, a.head_dim, a.scores_stride}, {a.heads * head, head, 1, a.head_dim},
                 Encoding{.dtype = DType::kS8});
  for (auto _ : state) {
    gemm.multiply(a.whole(a.q.data(), a.head_dim, DType::kS8), k,
                  a.whole(a.scores.data(), a.scores_stride, DType::kS32));
  }
}

void integer_output(benchmark::State& state) {
  const ThreadScope scope(1);
  Attention a(state);
  Gemm gemm;
  const Tensor v(a.v.data(), {a.groups, a.heads, a.levels_stride, a.head_dim}, Encoding{.dtype = DType::kS8});
  for (auto _ : state) {
    gemm.multiply(a.whole(a.levels.data(), a.levels_stride, DType::kU8), v,
                  a.whole(a.sums.data(), a.head_dim, DType::kS32));
  }
}

// `count` levels; 0: even ones, without a table.
SoftmaxLevels softmax_levels(std::int64_t count) {
  if (count == 0) return {};
  std::vector<std::uint8_t> table(kSoftmaxTable);
  for (std::int64_t i = 0; i < kSoftmaxTable; ++i) {
    table[i] = static_cast<std::uint8_t>(i * count / kSoftmaxTable * 255 / (count - 1));
  }
  return SoftmaxLevels(table);
}

void softmax_code_rows(benchmark::State& state, std::int64_t count, bool biased) {
  const ThreadScope scope(1);
  Attention a(state);
  const SoftmaxLevels levels = softmax_levels(count);
  const auto bias = ramp(biased ? a.heads * a.tokens * a.scores_stride : 0);
  const ScoreTerms terms{.bias = bias, .heads = a.heads, .tokens = a.tokens};
  for (auto _ : state) {
    softmax_codes(a.matrix(a.scores.data(), a.tokens, a.scores_stride, DType::kS32), 1e-4F,
                  a.matrix(a.levels.data(), a.tokens, a.levels_stride, DType::kU8), a.row_sums, terms, levels);
  }
  state.SetItemsProcessed(state.iterations() * a.rows * a.tokens);
}

void merge_head_rows(benchmark::State& state) {
  const ThreadScope scope(1);
  Attention a(state);
  std::vector<std::uint8_t> dst(a.sums.size());
  const Tensor to(dst.data(), {a.groups * a.tokens, a.heads * a.head_dim}, kCodes);
  const Tensor sums = a.matrix(a.sums.data(), a.head_dim, a.head_dim, DType::kS32);
  for (auto _ : state) merge_heads(sums, a.row_sums, 0, a.tokens, 0.01F, to);
}

Tensor transposed(Tensor matrices) {
  std::swap(matrices.dims[2], matrices.dims[3]);
  std::swap(matrices.strides[2], matrices.strides[3]);
  return matrices;
}

// f32 attention products, dense and padded as the forward pass runs them, or, as `strided`, on views of qkv.
void float_scores(benchmark::State& state, bool strided) {
  const ThreadScope scope(1);
  const Attention a(state);
  const std::int64_t row = 3 * a.heads * a.head_dim;
  auto qkv = ramp(a.groups * a.tokens * row);
  auto others = ramp(a.groups * a.heads * a.scores_stride * a.head_dim);
  std::vector<float> scores(a.rows * a.scores_stride);
  const std::initializer_list<std::int64_t> steps{a.tokens * row, a.head_dim, row, 1};
  const Tensor q = strided ? Tensor(qkv.data(), {a.groups, a.heads, a.tokens, a.head_dim}, steps)
                           : a.whole(qkv.data(), a.head_dim, DType::kF32);
  const Tensor k = strided ? Tensor(qkv.data() + row / 3, {a.groups, a.heads, a.tokens, a.head_dim}, steps)
                           : Tensor(others.data(), {a.groups, a.heads, a.scores_stride, a.head_dim});
  const Tensor dst = a.view(scores.data(), k.dims[2], a.scores_stride, DType::kF32);
  Gemm gemm;
  for (auto _ : state) gemm.multiply(q, transposed(k), dst);
}

void float_output(benchmark::State& state, bool strided) {
  const ThreadScope scope(1);
  const Attention a(state);
  const std::int64_t dim = a.heads * a.head_dim;
  auto qkv = ramp(a.groups * a.tokens * 3 * dim);
  auto others = ramp(a.groups * a.heads * a.scores_stride * a.head_dim);
  auto scores = ramp(a.rows * a.scores_stride);
  std::vector<float> dst(a.groups * a.tokens * dim);
  const Tensor v = strided ? Tensor(qkv.data() + 2 * dim, {a.groups, a.heads, a.tokens, a.head_dim},
                                    {a.tokens * 3 * dim, a.head_dim, 3 * dim, 1})
                           : Tensor(others.data(), {a.groups, a.heads, a.scores_stride, a.head_dim});
  const Tensor out =
      strided ? Tensor(dst.data(), {a.groups, a.heads, a.tokens, a.head_dim}, {a.tokens * dim, a.head_dim, dim, 1})
              : a.whole(dst.data(), a.head_dim, DType::kF32);
  Gemm gemm;
  for (auto _ : state) gemm.multiply(a.view(scores.data(), v.dims[2], a.scores_stride, DType::kF32), v, out);
}

// True, and says so in the row, where this CPU has no bf16.
bool skipped_without_bf16(benchmark::State& state) {
  if (!has_bf16()) state.SkipWithError("this CPU does not multiply bf16");
  return !has_bf16();
}

// What bf16 attention works on: dense, padded, or, as `strided`, the views of qkv that f32 uses.
struct HalfAttention : Attention {
  std::int64_t columns = padded_probabilities(tokens);
  std::int64_t head = columns * head_dim;
  std::int64_t row = 3 * heads * head_dim;
  std::vector<std::uint16_t> halves = std::vector<std::uint16_t>(std::max(groups * heads * head, groups* tokens* row));
  std::vector<std::uint16_t> others = halves;
  std::vector<std::uint16_t> probabilities = std::vector<std::uint16_t>(rows * columns);
  std::vector<float> f32 = ramp(rows * scores_stride);

  using Attention::Attention;

  // Head by head in the rows of qkv, or of attention's output.
  [[nodiscard]] Tensor heads_of(void* data, std::int64_t stride) const {
    return {data, {groups, heads, tokens, head_dim}, {tokens * stride, head_dim, stride, 1}, kBfloat16};
  }
};

void bf16_scores(benchmark::State& state, bool strided) {
  if (skipped_without_bf16(state)) return;
  const ThreadScope scope(1);
  HalfAttention a(state);
  Gemm gemm;
  const Tensor q = strided ? a.heads_of(a.halves.data(), a.row) : a.whole(a.halves.data(), a.head_dim, DType::kBF16);
  const Tensor k(a.others.data(), {a.groups, a.heads, a.scores_stride, a.head_dim}, kBfloat16);
  const Tensor by = transposed(strided ? a.heads_of(a.others.data(), a.row) : k);
  const Tensor scores = a.view(a.f32.data(), by.dims[3], a.scores_stride, DType::kF32);
  for (auto _ : state) gemm.multiply(q, by, scores);
}

void softmax_bf16_rows(benchmark::State& state) {
  const ThreadScope scope(1);
  HalfAttention a(state);
  const Tensor to = a.matrix(a.probabilities.data(), a.tokens, a.columns, DType::kBF16);
  for (auto _ : state) softmax_bf16(a.matrix(a.f32.data(), a.tokens, a.scores_stride, DType::kF32), 0.125F, to);
  state.SetItemsProcessed(state.iterations() * a.rows * a.tokens);
}

void bf16_output(benchmark::State& state, bool strided) {
  if (skipped_without_bf16(state)) return;
  const ThreadScope scope(1);
  HalfAttention a(state);
  Gemm gemm;
  const Tensor v(a.halves.data(), {a.groups, a.heads, a.columns, a.head_dim}, kBfloat16);
  const Tensor by = strided ? a.heads_of(a.halves.data(), a.row) : v;
  const Tensor from = a.view(a.probabilities.data(), by.dims[2], a.columns, DType::kBF16);
  const Tensor to = a.heads_of(a.others.data(), a.heads * a.head_dim);
  for (auto _ : state) gemm.multiply(from, by, to);
}

void bf16_linear(benchmark::State& state, Epilogue epilogue, Encoding means) {
  if (skipped_without_bf16(state)) return;
  const ThreadScope scope(1);
  const std::int64_t rows = state.range(0);
  const std::int64_t inputs = state.range(1);
  const std::int64_t outputs = state.range(2);
  std::vector<std::uint16_t> src(rows * inputs);
  std::vector<float> dst(rows * outputs);
  Gemm gemm;
  const Linear layer(FloatLinear{ramp(outputs * inputs), ramp(outputs), outputs, inputs}, {.floats = DType::kBF16});
  const Tensor from(src.data(), {rows, inputs}, kBfloat16);
  const Tensor to(dst.data(), {rows, outputs}, means);
  layer.run(gemm, from, to, epilogue);
  for (auto _ : state) layer.run(gemm, from, to, epilogue);
  state.counters["FLOP/s"] = benchmark::Counter(static_cast<double>(2 * state.iterations() * rows * inputs * outputs),
                                                benchmark::Counter::kIsRate);
}

void bf16_qkv(benchmark::State& state) {
  if (skipped_without_bf16(state)) return;
  const ThreadScope scope(1);
  const HalfAttention a(state);
  const std::int64_t dim = a.heads * a.head_dim;
  std::vector<std::uint16_t> src(a.groups * a.tokens * dim);
  Gemm gemm;
  const Linear layer(FloatLinear{ramp(3 * dim * dim), ramp(3 * dim), 3 * dim, dim}, {.floats = DType::kBF16});
  std::vector<std::uint16_t> parts[3] = {a.halves, a.halves, a.halves};
  const Tensor q(parts[0].data(), {a.groups, a.heads, a.tokens, a.head_dim}, kBfloat16);
  const Tensor k(parts[1].data(), {a.groups, a.heads, a.scores_stride, a.head_dim}, kBfloat16);
  const Tensor v(parts[2].data(), {a.groups, a.heads, a.columns, a.head_dim}, kBfloat16);
  for (auto _ : state) layer.run_split(gemm, Tensor(src.data(), {a.groups * a.tokens, dim}, kBfloat16), q, k, v);
}

// A layer of integer weights with what follows: to f32 or to u8 codes.
void integer_linear(benchmark::State& state, Epilogue epilogue, Encoding means) {
  const ThreadScope scope(1);
  const std::int64_t rows = state.range(0);
  const std::int64_t inputs = state.range(1);
  const std::int64_t outputs = state.range(2);
  auto src = code_ramp<std::uint8_t>(rows * inputs, 127);
  const auto codes = code_ramp<std::int8_t>(outputs * inputs, 63);
  const std::vector<float> scale(outputs, 1e-3F);
  std::vector<float> dst(rows * outputs);
  Gemm gemm;
  const Linear layer(test::integer_layer(codes, scale, {}, outputs, inputs, kCodes));
  const Tensor from(src.data(), {rows, inputs}, kCodes);
  const Tensor to(dst.data(), {rows, outputs}, means);
  for (auto _ : state) layer.run(gemm, from, to, epilogue);
  state.counters["OP/s"] = benchmark::Counter(static_cast<double>(2 * state.iterations() * rows * inputs * outputs),
                                              benchmark::Counter::kIsRate);
}

// What follows fc1: GELU and the codes of fc2, evenly spaced or by a code book of sixteen levels.
void requantize_rows(benchmark::State& state, bool with_book) {
  const ThreadScope scope(1);
  const std::int64_t rows = state.range(0);
  const std::int64_t columns = state.range(1);
  auto sums = code_ramp<std::int32_t>(rows * columns, 30000);
  const std::vector<float> multiplier(columns, 1e-4F);
  const auto offset = ramp(columns);
  std::vector<std::uint8_t> levels(16);
  for (int i = 0; i < 16; ++i) levels[i] = static_cast<std::uint8_t>(i * (i + 1));
  const CodeBook book = nearest_levels(levels);
  Encoding means = kCodes;
  if (with_book) means.code_book = book.data();
  std::vector<std::uint8_t> dst(rows * columns);
  const Tensor to(dst.data(), {rows, columns}, means);
  for (auto _ : state) {
    requantize(Tensor(sums.data(), {rows, columns}, kSums), {multiplier, offset}, to, Epilogue::kGelu);
  }
  state.SetItemsProcessed(state.iterations() * rows * columns);
}

void integer_qkv(benchmark::State& state) {
  const ThreadScope scope(1);
  Attention a(state);
  const std::int64_t dim = a.heads * a.head_dim;
  auto src = code_ramp<std::uint8_t>(a.groups * a.tokens * dim, 127);
  const auto codes = code_ramp<std::int8_t>(3 * dim * dim, 63);
  const std::vector<float> scale(3 * dim, 1e-3F);
  Gemm gemm;
  const Linear layer(test::integer_layer(codes, scale, {}, 3 * dim, dim, kCodes));
  const Encoding means{DType::kS8, 0.02F};
  const Tensor q(a.q.data(), {a.groups, a.heads, a.tokens, a.head_dim}, means);
  const Tensor k(a.k.data(), {a.groups, a.heads, a.scores_stride, a.head_dim}, means);
  const Tensor v(a.v.data(), {a.groups, a.heads, a.levels_stride, a.head_dim}, means);
  for (auto _ : state) layer.run_split(gemm, Tensor(src.data(), {a.groups * a.tokens, dim}, kCodes), q, k, v);
}

// DeiT-S alone and eight at once; Swin-T's first stage.
void attention_shapes(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"groups", "heads", "tokens", "head_dim"})->Unit(benchmark::kMicrosecond)->UseRealTime();
  bench->Args({1, 6, 197, 64})->Args({8, 6, 197, 64})->Args({64, 3, 49, 32});
}

// Every matrix shape of the zoo's classifiers with a published top-1 (the others are as wide), for one picture: patch
// embedding, qkv, proj, fc1, fc2, reduction, head; and fc1 of DeiT-S for eight.
void shapes(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"rows", "inputs", "outputs"})->Unit(benchmark::kMicrosecond)->UseRealTime();
  std::set<std::array<std::int64_t, 3>> all = {{1576, 384, 1536}};
  for (const ZooEntry& entry : zoo()) {
    if (!entry.top1) continue;
    const ModelConfig& config = entry.config;
    const bool is_vit = config.architecture() == Architecture::kVit;
    std::int64_t tokens = config.grid().count();
    all.insert({tokens, config.patch_values(), config.stages().front().dim});
    if (is_vit) tokens += config.prefix_tokens();
    for (const Stage& stage : config.stages()) {
      if (&stage != &config.stages().front()) all.insert({tokens, 2 * stage.dim, stage.dim});  // four of half its width
      all.insert({tokens, stage.dim, 3 * stage.dim});
      all.insert({tokens, stage.dim, stage.dim});
      all.insert({tokens, stage.dim, stage.hidden});
      all.insert({tokens, stage.hidden, stage.dim});
      if (!is_vit && &stage != &config.stages().back()) tokens /= 4;
    }
    all.insert({1, config.stages().back().dim, config.classes});
  }
  for (const auto& [rows, inputs, outputs] : all) bench->Args({rows, inputs, outputs});
}

// DeiT-T, DeiT-S, Swin-T.
void widths(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"rows", "dim"})->Args({197, 192})->Args({197, 384})->Args({3136, 96});
}

}  // namespace

BENCHMARK_CAPTURE(layer_norm_rows, f32, kFloat)->Apply(widths);
BENCHMARK_CAPTURE(layer_norm_rows, bf16, kBfloat16)->Apply(widths);
BENCHMARK(l2_norm_rows)->ArgNames({"rows", "dim"})->Args({4096, 192});
BENCHMARK(gelu_rows)->ArgNames({"rows", "columns"})->Args({197, 1536});
BENCHMARK(gelu_bf16_rows)->ArgNames({"rows", "columns"})->Args({197, 1536});
BENCHMARK(convert_rows)->ArgNames({"rows", "columns"})->Args({196, 768});
BENCHMARK(softmax_rows)->ArgNames({"groups", "heads", "tokens"})->Args({1, 6, 197})->Args({64, 3, 49});
BENCHMARK_CAPTURE(requantize_rows, gelu, false)->ArgNames({"rows", "columns"})->Args({197, 1536});
BENCHMARK_CAPTURE(requantize_rows, gelu_with_book, true)->ArgNames({"rows", "columns"})->Args({197, 1536});
BENCHMARK(layer_norm_code_rows)->Apply(widths);
BENCHMARK(integer_qkv)->Apply(attention_shapes);
BENCHMARK_CAPTURE(float_scores, dense, false)->Apply(attention_shapes);
BENCHMARK_CAPTURE(float_scores, strided, true)->Apply(attention_shapes);
BENCHMARK_CAPTURE(bf16_scores, dense, false)->Apply(attention_shapes);
BENCHMARK_CAPTURE(bf16_scores, strided, true)->Apply(attention_shapes);
BENCHMARK(bf16_qkv)->Apply(attention_shapes);
BENCHMARK(softmax_bf16_rows)->Apply(attention_shapes);
BENCHMARK_CAPTURE(bf16_output, dense, false)->Apply(attention_shapes);
BENCHMARK_CAPTURE(bf16_output, strided, true)->Apply(attention_shapes);
BENCHMARK(integer_scores)->Apply(attention_shapes);
BENCHMARK_CAPTURE(softmax_code_rows, even, 0, false)->Apply(attention_shapes);
BENCHMARK_CAPTURE(softmax_code_rows, even_with_bias, 0, true)->Apply(attention_shapes);
BENCHMARK_CAPTURE(softmax_code_rows, 16_levels, 16, false)->Apply(attention_shapes);
BENCHMARK_CAPTURE(softmax_code_rows, 16_levels_with_bias, 16, true)->Apply(attention_shapes);
BENCHMARK_CAPTURE(softmax_code_rows, 64_levels, 64, false)->Apply(attention_shapes);
BENCHMARK_CAPTURE(float_output, dense, false)->Apply(attention_shapes);
BENCHMARK_CAPTURE(float_output, strided, true)->Apply(attention_shapes);
BENCHMARK(integer_output)->Apply(attention_shapes);
BENCHMARK(merge_head_rows)->Apply(attention_shapes);
BENCHMARK_CAPTURE(integer_linear, to_f32, Epilogue::kNone, kFloat)->Apply(shapes);
BENCHMARK_CAPTURE(integer_linear, to_codes, Epilogue::kNone, kCodes)->Apply(shapes);
BENCHMARK_CAPTURE(integer_linear, gelu_to_codes, Epilogue::kGelu, kCodes)->Apply(shapes);
BENCHMARK_CAPTURE(integer_linear, accumulate, Epilogue::kAccumulate, kFloat)->Apply(shapes);
BENCHMARK_CAPTURE(bf16_linear, to_f32, Epilogue::kNone, kFloat)->Apply(shapes);
BENCHMARK_CAPTURE(bf16_linear, to_bf16, Epilogue::kNone, kBfloat16)->Apply(shapes);
BENCHMARK_CAPTURE(bf16_linear, gelu_to_bf16, Epilogue::kGelu, kBfloat16)->Apply(shapes);
BENCHMARK_CAPTURE(bf16_linear, accumulate, Epilogue::kAccumulate, kFloat)->Apply(shapes);
BENCHMARK_CAPTURE(linear, bias, Epilogue::kNone)->Apply(shapes);
BENCHMARK_CAPTURE(linear, gelu, Epilogue::kGelu)->Apply(shapes);
BENCHMARK_CAPTURE(linear, accumulate, Epilogue::kAccumulate)->Apply(shapes);

}  // namespace vitq::bench
