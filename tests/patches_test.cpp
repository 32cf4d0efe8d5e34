#include "engine/picture/patches.h"

#include <doctest/doctest.h>

#include <array>
#include <vector>

#include "engine/error.h"
#include "engine/kernels/requantize.h"
#include "engine/threads.h"
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

namespace {

std::vector<std::uint8_t> code_book() {
  std::vector<std::uint8_t> book(256);
  for (int code = 0; code < 256; ++code) book[code] = static_cast<std::uint8_t>(code / 16 * 17);
  return book;
}

/// A picture in which every byte stands in every channel.
Image all_bytes(int width, int height) {
  Image image{width, height, {}};
  for (int i = 0; i < width * height; ++i) {
    for (int c = 0; c < 3; ++c) image.rgb.push_back(static_cast<std::uint8_t>(i * (2 * c + 1) + 50 * c));
  }
  return image;
}

}  // namespace

TEST_CASE("patches: bytes through the table are what a float picture, normalised and encoded, gives, to the bit") {
  const std::vector<std::uint8_t> book = code_book();
  const Encoding encodings[] = {kFloat,
                                kBfloat16,
                                {DType::kU8, 0.0187F, 113},
                                {DType::kU8, 0.3F, 7, 4},
                                {DType::kU8, 0.7F, 3, 3},
                                {DType::kS8, 0.021F, 0},
                                {DType::kU8, 0.0187F, 113, 8, book.data()}};
  const Preprocessing kinds[] = {{}, {.mean = {0.5F, 0.5F, 0.5F}, .std = {0.5F, 0.5F, 0.5F}}};
  for (const Preprocessing& how : kinds) {
    for (const Encoding& means : encodings) {
      const PixelTable table(how, means);
      for (const auto& [size, patch] : {std::array<int, 2>{16, 1}, {16, 4}, {20, 5}, {32, 16}, {48, 8}}) {
        CAPTURE(to_string(means));
        CAPTURE(patch);
        const Image image = all_bytes(size, size);
        const std::int64_t grid = size / patch;
        const std::int64_t columns = std::int64_t{3} * patch * patch;
        std::vector<float> picture(image.rgb.size());
        normalize(image, how, picture);
        const std::size_t bytes = picture.size() * size_of(means.dtype);
        std::vector<std::byte> expected(bytes);
        cut_patches(picture, size, patch, Tensor(expected.data(), {grid * grid, columns}, means));
        for (const int threads : {1, 2}) {
          const ThreadScope scope(threads);
          std::vector<std::byte> found(bytes);
          cut_patches(image, patch, table, Tensor(found.data(), {grid * grid, columns}, means));
          CHECK((found == expected));
        }
      }
    }
  }
}

TEST_CASE("patches: of a picture that is not square, row by row") {
  const Image image = all_bytes(24, 16);
  const PixelTable table({}, kFloat);
  std::vector<float> cut(image.rgb.size());
  std::vector<float> picture(image.rgb.size());
  cut_patches(image, 8, table, Tensor(cut.data(), {6, 192}));
  normalize(image, {}, picture);
  std::int64_t wrong = 0;
  for (std::int64_t i = 0; i < std::ssize(cut); ++i) {
    const std::int64_t p = i / 192;
    const std::int64_t y = p / 3 * 8 + i % 64 / 8;
    const std::int64_t x = p % 3 * 8 + i % 8;
    wrong += cut[i] != picture[(i % 192 / 64 * 16 + y) * 24 + x];
  }
  CHECK(wrong == 0);
}

TEST_CASE("patches: bytes that do not make the rows asked for are refused") {
  const Image image = all_bytes(16, 16);
  const PixelTable table({}, kFloat);
  std::vector<float> cut(image.rgb.size());
  CHECK_NOTHROW(cut_patches(image, 8, table, Tensor(cut.data(), {4, 192})));
  CHECK_THROWS_AS(cut_patches(image, 8, table, Tensor(cut.data(), {3, 192})), Error);
  CHECK_NOTHROW(cut_patches(image, 5, table, Tensor(cut.data(), {9, 75})));  // the last pixel is not seen
  CHECK_THROWS_AS(cut_patches(image, 5, table, Tensor(cut.data(), {16, 75})), Error);
  CHECK_THROWS_AS(cut_patches(image, 0, table, Tensor(cut.data(), {4, 192})), Error);
  CHECK_THROWS_AS(cut_patches(image, 8, table, Tensor(cut.data(), {4, 192}, kBfloat16)), Error);
}

TEST_CASE("patches: at the scale of bytes a patch embedding on integers takes each byte as it is") {
  const Image image = all_bytes(16, 16);
  for (const float std : {0.2F, 0.5F}) {
    const Preprocessing how{.image_size = 16, .resize = 0, .mean = {0.48F, 0.1F, 0.7F}, .std = {std, 0.26F, 0.9F}};
    constexpr Encoding kBytes{.dtype = DType::kU8, .scale = 1.0F, .zero_point = 0};
    const PixelTable table(how, kBytes, bytes_of(how));
    for (int c = 0; c < 3; ++c) {
      for (int byte = 0; byte < 256; ++byte) CHECK(static_cast<int>(table.entries(c)[byte]) == byte);
    }
    // And from normalised floats.
    std::vector<std::uint8_t> from_bytes(image.rgb.size());
    std::vector<std::uint8_t> from_floats(image.rgb.size());
    cut_patches(image, 8, table, Tensor(from_bytes.data(), {4, 192}, kBytes));
    std::vector<float> chw(image.rgb.size());
    normalize(image, how, chw);
    cut_patches(chw, 16, 8, Tensor(from_floats.data(), {4, 192}, kBytes), bytes_of(how));
    CHECK(from_bytes == from_floats);
    CHECK(from_bytes[1] == image.rgb[3]);
  }
}
