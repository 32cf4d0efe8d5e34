// Whole forward passes with seeded weights, batch 1 and 8, and beside them the bare matrix products of the same model.
// Run with --benchmark_enable_random_interleaving=true: only figures of one interleaved run can be compared.

#include <benchmark/benchmark.h>

#include <filesystem>
#include <string>

#include "bench/bare_matmuls.h"
#include "engine/gemm/onednn.h"
#include "engine/threads.h"
#include "models/zoo.h"
#include "quant/calibrate.h"
#include "tests/sessions.h"
#include "weights/seeded.h"

namespace vitq::bench {

namespace {

void run_forward(benchmark::State& state, const Checkpoint& checkpoint, const std::string& model, bool bf16 = false) {
  const int threads = static_cast<int>(state.range(0));
  const std::int64_t batch = state.range(1);
  Session session = test::make_session(checkpoint, describe(checkpoint, model), {.threads = threads, .bf16 = bf16});
  std::vector<float> images(batch * test::picture_size(session));
  std::vector<float> logits(batch * session.model().classes());
  fill_seeded_input(0, images);
  session.run(images, batch, {.logits = logits});
  for (auto _ : state) session.run(images, batch, {.logits = logits});
  state.counters["images/s"] =
      benchmark::Counter(static_cast<double>(state.iterations() * batch), benchmark::Counter::kIsRate);
}

void forward(benchmark::State& state, const std::string& model) { run_forward(state, seeded_checkpoint(model), model); }

void bf16(benchmark::State& state, const std::string& model) {
  if (has_bf16()) {
    run_forward(state, seeded_checkpoint(model), model, true);
  } else {
    state.SkipWithError("this CPU does not multiply bf16");
  }
}

// The same on integers. One picture and the nearest codes will do: which codes they are takes no time.
void integers(benchmark::State& state, const std::string& model, int weight_bits, int activation_bits) {
  const Checkpoint checkpoint = seeded_checkpoint(model);
  const ModelDescription description = describe(checkpoint, model);
  std::vector<float> image(ModelConfig::kChannels * description.config.image_size.pixels());
  fill_seeded_input(0, image);
  QuantizeOptions options;
  options.weight_bits = weight_bits;
  options.activation_bits = activation_bits;
  options.rounding = Rounding::kNearest;
  run_forward(state, quantize_model(checkpoint, description, image, 1, options).artifact.checkpoint(), model);
}

// From a file to a model that is ready to run: map, check, pack.
void load(benchmark::State& state, const std::string& model) {
  const auto path = std::filesystem::temp_directory_path() / ("vitq_bench_" + model + ".safetensors");
  save_checkpoint(path, seeded_checkpoint(model), zoo_metadata(model));
  for (auto _ : state) benchmark::DoNotOptimize(Model::open(path.string()));
  std::filesystem::remove(path);
}

void bare_matmuls(benchmark::State& state, const std::string& model) {
  const ThreadScope scope(static_cast<int>(state.range(0)));
  BareMatmuls matmuls(find_in_zoo(model)->config);
  matmuls.run();
  for (auto _ : state) matmuls.run();
}

// Several short repetitions of each, so that random interleaving spreads the machine's moods over all.
void configure(benchmark::internal::Benchmark* bench) {
  bench->Unit(benchmark::kMillisecond)->UseRealTime()->MinTime(0.2)->Repetitions(9)->ReportAggregatesOnly();
}

}  // namespace

BENCHMARK_CAPTURE(forward, deit_t, std::string("deit_t"))
    ->ArgNames({"threads", "batch"})
    ->ArgsProduct({{1, 2}, {1}})
    ->Apply(configure);
BENCHMARK_CAPTURE(forward, deit_s, std::string("deit_s"))
    ->ArgNames({"threads", "batch"})
    ->ArgsProduct({{1, 2}, {1, 8}})
    ->Apply(configure);
BENCHMARK_CAPTURE(forward, deit_b, std::string("deit_b"))
    ->ArgNames({"threads", "batch"})
    ->ArgsProduct({{1, 2}, {1}})
    ->Apply(configure);
BENCHMARK_CAPTURE(forward, swin_t, std::string("swin_t"))
    ->ArgNames({"threads", "batch"})
    ->ArgsProduct({{1, 2}, {1}})
    ->Apply(configure);
BENCHMARK_CAPTURE(bf16, deit_t, std::string("deit_t"))
    ->ArgNames({"threads", "batch"})
    ->ArgsProduct({{1, 2}, {1}})
    ->Apply(configure);
BENCHMARK_CAPTURE(bf16, deit_s, std::string("deit_s"))
    ->ArgNames({"threads", "batch"})
    ->ArgsProduct({{1, 2}, {1, 8}})
    ->Apply(configure);
BENCHMARK_CAPTURE(bf16, swin_t, std::string("swin_t"))
    ->ArgNames({"threads", "batch"})
    ->ArgsProduct({{1, 2}, {1}})
    ->Apply(configure);
BENCHMARK_CAPTURE(integers, deit_s_w8a8, std::string("deit_s"), 8, 8)
    ->ArgNames({"threads", "batch"})
    ->ArgsProduct({{1, 2}, {1}})
    ->Apply(configure);
BENCHMARK_CAPTURE(integers, deit_s_w4a8, std::string("deit_s"), 4, 8)
    ->ArgNames({"threads", "batch"})
    ->ArgsProduct({{1, 2}, {1}})
    ->Apply(configure);
BENCHMARK_CAPTURE(integers, deit_s_w4a4, std::string("deit_s"), 4, 4)
    ->ArgNames({"threads", "batch"})
    ->ArgsProduct({{1, 2}, {1}})
    ->Apply(configure);
BENCHMARK_CAPTURE(load, deit_s, std::string("deit_s"))->Apply(configure);
BENCHMARK_CAPTURE(bare_matmuls, deit_s, std::string("deit_s"))->ArgName("threads")->Arg(1)->Arg(2)->Apply(configure);

}  // namespace vitq::bench
