#include "engine/picture/patches.h"

#include <doctest/doctest.h>

#include <array>
#include <vector>

#include "engine/error.h"
#include "engine/kernels/requantize.h"
#include "tests/random.h"

using namespace vitq;

TEST_CASE("patches: of every picture in their order, and as codes what quantize makes of them") {
  constexpr std::int64_t kChannels = 3;
  for (const auto& [batch, size, patch] :
       {std::array<std::int64_t, 3>{1, 8, 4}, {2, 15, 5}, {3, 32, 16}, {2, 20, 2}, {1, 520, 8}}) {
    const std::int64_t grid = size / patch;
    const std::int64_t rows = batch * grid * grid;
    const std::int64_t columns = kChannels * patch * patch;
    const auto images = test::random_floats(batch * kChannels * size * size, 1, -2, 2);
    std::vector<float> cut(rows * columns);
    const Tensor floats(cut.data(), {rows, columns});
    cut_patches(images, size, patch, floats);
    std::int64_t wrong = 0;
    for (std::int64_t i = 0; i < rows * columns; ++i) {
      const std::int64_t row = i / columns;
      const std::int64_t picture = row / (grid * grid);
      const std::int64_t c = i % columns / (patch * patch);
      const std::int64_t y = row / grid % grid * patch + i / patch % patch;
      const std::int64_t x = row % grid * patch + i % patch;
      wrong += cut[i] != images[((picture * kChannels + c) * size + y) * size + x];
    }
    CHECK(wrong == 0);

    const Encoding means{DType::kU8, 0.02F, 110};
    std::vector<std::uint8_t> codes(cut.size());
    std::vector<std::uint8_t> expected(cut.size());
    cut_patches(images, size, patch, Tensor(codes.data(), {rows, columns}, means));
    quantize(floats, Tensor(expected.data(), {rows, columns}, means));
    CHECK(codes == expected);
  }
  std::vector<float> images(64 * 3);
  CHECK_THROWS_AS(cut_patches(std::span(images).first(100), 8, 4, Tensor(images.data(), {4, 48})), Error);
  CHECK_THROWS_AS(cut_patches(images, 8, 4, Tensor(images.data(), {4, 47})), Error);
}
