// From the bytes of a picture of the model's size to patch rows: through the table, or by way of a float picture.

#include <benchmark/benchmark.h>

#include <vector>

#include "engine/picture/patches.h"
#include "engine/picture/resize.h"
#include "engine/threads.h"

namespace vitq::bench {

namespace {

constexpr Encoding kCodes{.dtype = DType::kU8, .scale = 0.02F, .zero_point = 128};

Image noise(int width, int height) {
  Image image{width, height, {}};
  for (int i = 0; i < 3 * width * height; ++i) image.rgb.push_back(static_cast<std::uint8_t>(i * 2654435761U >> 9));
  return image;
}

void patch_rows(benchmark::State& state, Encoding means, bool is_by_floats) {
  const ThreadScope scope(1);
  const std::int64_t size = state.range(0);
  const std::int64_t patch = state.range(1);
  const Image image = noise(static_cast<int>(size), static_cast<int>(size));
  const Preprocessing how;
  const PixelTable table(how, means);
  std::vector<float> picture(image.rgb.size());
  std::vector<float> rows(image.rgb.size());
  const Tensor dst(rows.data(), {size / patch * (size / patch), 3 * patch * patch}, means);
  for (auto _ : state) {
    if (is_by_floats) {
      normalize(image, how, picture);
      cut_patches(picture, size, patch, dst);
    } else {
      cut_patches(image, patch, table, dst);
    }
  }
  state.SetItemsProcessed(state.iterations() * 3 * size * size);
}

void resize(benchmark::State& state) {
  const Image image = noise(static_cast<int>(state.range(0)), static_cast<int>(state.range(1)));
  for (auto _ : state) benchmark::DoNotOptimize(resized(image, {}));
}

void sizes(benchmark::internal::Benchmark* rows) { rows->ArgNames({"size", "patch"})->Args({224, 16})->Args({224, 4}); }

}  // namespace

BENCHMARK_CAPTURE(patch_rows, u8, kCodes, false)->Apply(sizes);
BENCHMARK_CAPTURE(patch_rows, u8_by_floats, kCodes, true)->Apply(sizes);
BENCHMARK_CAPTURE(patch_rows, bf16, kBfloat16, false)->Apply(sizes);
BENCHMARK_CAPTURE(patch_rows, bf16_by_floats, kBfloat16, true)->Apply(sizes);
BENCHMARK_CAPTURE(patch_rows, f32, kFloat, false)->Apply(sizes);
BENCHMARK_CAPTURE(patch_rows, f32_by_floats, kFloat, true)->Apply(sizes);
BENCHMARK(resize)->ArgNames({"width", "height"})->Args({500, 375})->Args({4000, 3000});

}  // namespace vitq::bench
