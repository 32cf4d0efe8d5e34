// One row per kernel and per matrix shape of DeiT-S and Swin-T's first stage; arguments are the shapes.

#include <benchmark/benchmark.h>

#include <vector>

#include "engine/gelu.h"
#include "engine/layer_norm.h"
#include "engine/matmul.h"
#include "engine/softmax.h"
#include "engine/threads.h"

namespace vitq::bench {

namespace {

std::vector<float> ramp(std::int64_t count) {
  std::vector<float> values(count);
  for (std::int64_t i = 0; i < count; ++i) values[i] = static_cast<float>(i * 2654435761U % 1000) / 500.0F - 1.0F;
  return values;
}

void layer_norm_rows(benchmark::State& state) {
  const ThreadScope scope(1);
  const std::int64_t rows = state.range(0);
  const std::int64_t dim = state.range(1);
  auto src = ramp(rows * dim);
  const auto gamma = ramp(dim);
  std::vector<float> dst(rows * dim);
  for (auto _ : state) {
    layer_norm(Tensor(src.data(), {rows, dim}), gamma, gamma, 1e-6F, Tensor(dst.data(), {rows, dim}));
  }
  state.SetItemsProcessed(state.iterations() * rows * dim);
}

void softmax_rows(benchmark::State& state) {
  const ThreadScope scope(1);
  const std::int64_t groups = state.range(0);
  const std::int64_t heads = state.range(1);
  const std::int64_t tokens = state.range(2);
  const std::int64_t stride = padded_columns(tokens);
  auto scores = ramp(groups * heads * tokens * stride);
  const Tensor view(scores.data(), {groups, heads, tokens, tokens},
                    {heads * tokens * stride, tokens * stride, stride, 1});
  for (auto _ : state) softmax(view, 0.125F);
  state.SetItemsProcessed(state.iterations() * groups * heads * tokens * tokens);
}

void gelu_rows(benchmark::State& state) {
  const ThreadScope scope(1);
  const std::int64_t rows = state.range(0);
  const std::int64_t columns = state.range(1);
  auto x = ramp(rows * columns);
  for (auto _ : state) gelu(Tensor(x.data(), {rows, columns}));
  state.SetItemsProcessed(state.iterations() * rows * columns);
}

void linear(benchmark::State& state, Epilogue epilogue) {
  const ThreadScope scope(1);
  const std::int64_t rows = state.range(0);
  const std::int64_t inputs = state.range(1);
  const std::int64_t outputs = state.range(2);
  auto src = ramp(rows * inputs);
  std::vector<float> dst(rows * outputs);
  MatmulContext context;
  const Linear layer(context, ramp(outputs * inputs), ramp(outputs), outputs, inputs);
  const Tensor from(src.data(), {rows, inputs});
  const Tensor to(dst.data(), {rows, outputs});
  layer.run(from, to, epilogue);
  for (auto _ : state) layer.run(from, to, epilogue);
  state.counters["FLOP/s"] = benchmark::Counter(static_cast<double>(2 * state.iterations() * rows * inputs * outputs),
                                                benchmark::Counter::kIsRate);
}

// DeiT-S: patch embedding, qkv, proj, fc1, fc2; Swin-T stage 0: qkv, proj, fc1, fc2.
void shapes(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"rows", "inputs", "outputs"})->Unit(benchmark::kMicrosecond)->UseRealTime();
  for (const auto& [rows, inputs, outputs] :
       {std::tuple{196, 768, 384}, std::tuple{197, 384, 1152}, std::tuple{197, 384, 384}, std::tuple{197, 384, 1536},
        std::tuple{197, 1536, 384}, std::tuple{3136, 96, 288}, std::tuple{3136, 96, 96}, std::tuple{3136, 96, 384},
        std::tuple{3136, 384, 96}}) {
    bench->Args({rows, inputs, outputs});
  }
}

}  // namespace

BENCHMARK(layer_norm_rows)->ArgNames({"rows", "dim"})->Args({197, 192})->Args({197, 384})->Args({3136, 96});
BENCHMARK(gelu_rows)->ArgNames({"rows", "columns"})->Args({197, 1536});
BENCHMARK(softmax_rows)->ArgNames({"groups", "heads", "tokens"})->Args({1, 6, 197})->Args({64, 3, 49});
BENCHMARK_CAPTURE(linear, bias, Epilogue::kNone)->Apply(shapes);
BENCHMARK_CAPTURE(linear, gelu, Epilogue::kGelu)->Apply(shapes);
BENCHMARK_CAPTURE(linear, accumulate, Epilogue::kAccumulate)->Apply(shapes);

}  // namespace vitq::bench
