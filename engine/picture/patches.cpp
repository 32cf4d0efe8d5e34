#include "engine/picture/patches.h"

#include <algorithm>
#include <cstring>

#include "engine/error.h"
#include "engine/kernels/requantize.h"
#include "engine/picture/pixels.h"
#include "engine/threads.h"

namespace vitq {

namespace {

// Pieces of a row of pixels, in the encoding of dst. src: [rows columns of dst].
void write_pieces(const float* src, const Tensor& dst) {
  constexpr std::int64_t kVector = 16;
  constexpr std::int64_t kStrip = 512;
  const std::int64_t columns = dst.columns();
  const std::int64_t stride = dst.strides[0];
  if (dst.encoding == kFloat) {
    for (std::int64_t i = 0; i < dst.rows(); ++i) std::copy_n(src + i * columns, columns, dst.row(i));
    return;
  }
  auto* pixels = const_cast<float*>(src);  // only read
  if (columns >= kVector) {
    quantize(Tensor(pixels, {dst.rows(), columns}), dst);
    return;
  }
  // Swin's pieces of four are less than a vector: encoded side by side, then taken apart.
  const auto bytes = static_cast<std::int64_t>(size_of(dst.encoding.dtype));
  const std::int64_t most = kStrip / columns;
  std::uint16_t strip[kStrip];
  for (std::int64_t first = 0; first < dst.rows(); first += most) {
    const std::int64_t count = std::min(most, dst.rows() - first) * columns;
    quantize(Tensor(pixels + first * columns, {1, count}), Tensor(strip, {1, count}, dst.encoding));
    const auto* from = reinterpret_cast<const std::byte*>(strip);
    std::byte* to = static_cast<std::byte*>(dst.data) + first * stride * bytes;
    for (std::int64_t c = 0; c < count; c += columns, to += stride * bytes) {
      std::copy_n(from + c * bytes, columns * bytes, to);
    }
  }
}

constexpr int kBytes = 256;
constexpr std::int64_t kMostScaled = 4096;  // pixels of a row, as many as a model may have

// All patches of one row of them, by pieces of pixel rows. Locals, no arrays: bytes that are stored might be
// anything's.
template <class T>
void row_of_patches(const Pixels& image, std::int64_t patch, std::int64_t row, const PixelTable& table,
                    const Tensor& dst) {
  const std::int64_t across = image.width() / patch;
  const std::int64_t plane = patch * patch;
  const int step = image.step();
  const auto [red, green, blue] = image.channel();
  const T* of_red = reinterpret_cast<const T*>(table.entries(0));
  const T* of_green = reinterpret_cast<const T*>(table.entries(1));
  const T* of_blue = reinterpret_cast<const T*>(table.entries(2));
  for (std::int64_t y = 0; y < patch; ++y) {
    const std::uint8_t* pixel = image.at(0, static_cast<int>(row * patch + y));
    for (std::int64_t p = 0; p < across; ++p) {
      T* to = static_cast<T*>(dst.data) + (row * across + p) * dst.strides[0] + y * patch;
      for (std::int64_t x = 0; x < patch; ++x, pixel += step) {
        to[x] = of_red[pixel[red]];
        to[x + plane] = of_green[pixel[green]];
        to[x + 2 * plane] = of_blue[pixel[blue]];
      }
    }
  }
}

}  // namespace

PixelScale bytes_of(const Preprocessing& how) {
  constexpr float kMost = 255;
  PixelScale scale;
  for (int c = 0; c < 3; ++c) {
    scale.gain[c] = kMost * how.std[c];
    scale.shift[c] = kMost * how.mean[c];
  }
  return scale;
}

void cut_patches(std::span<const float> images, PictureSize size, std::int64_t patch, const Tensor& dst,
                 const PixelScale& scale) {
  const std::int64_t down = size.height / patch;
  const std::int64_t across = size.width / patch;
  const std::int64_t batch = dst.rows() / (down * across);
  const std::int64_t channels = dst.columns() / (patch * patch);
  check(std::ssize(images) == batch * channels * size.pixels() && dst.rows() == batch * down * across &&
            dst.columns() == channels * patch * patch,
        "cut_patches: ", images.size(), " values do not make [", dst.rows(), ", ", dst.columns(), "]");
  const std::int64_t stride = dst.strides[0];
  const auto bytes = static_cast<std::int64_t>(size_of(dst.encoding.dtype));
  const bool is_scaled = scale != PixelScale{};
  check(!is_scaled || (channels == 3 && size.width <= kMostScaled), "cut_patches: a scale for three channels of ",
        size.width, " pixels a row, found ", channels, " channels; expected at most ", kMostScaled, " pixels");
  // A row of pixels at a time, a piece of it in each of `across` patches.
  parallel_for(batch * down, 1, [&](std::int64_t begin, std::int64_t end) {
    std::array<float, kMostScaled> scaled;  // NOLINT(cppcoreguidelines-pro-type-member-init): written before it is read
    for (std::int64_t i = begin * channels * patch; i < end * channels * patch; ++i) {
      const std::int64_t first = i / (channels * patch);  // row of patches, of all pictures
      const std::int64_t c = i / patch % channels;
      const std::int64_t y = i % patch;
      const std::int64_t row = (first / down * channels + c) * size.height + first % down * patch + y;
      const std::int64_t at = first * across * stride + (c * patch + y) * patch;
      std::byte* to = static_cast<std::byte*>(dst.data) + at * bytes;
      const float* pixels = &images[row * size.width];
      if (is_scaled) {
        for (std::int64_t x = 0; x < across * patch; ++x) scaled[x] = scale.at(c, pixels[x]);
        pixels = scaled.data();
      }
      write_pieces(pixels, Tensor(to, {across, patch}, {stride, 1}, dst.encoding));
    }
  });
}

PixelTable::PixelTable(const Preprocessing& how, const Encoding& means, const PixelScale& scale)
    : means_(means), entries_(std::size_t{3} * kBytes * size_of(means.dtype)) {
  // A picture of all bytes, in each channel.
  Image ramp{kBytes, 1, {}};
  for (int byte = 0; byte < kBytes; ++byte) ramp.rgb.insert(ramp.rgb.end(), 3, static_cast<std::uint8_t>(byte));
  std::vector<float> values(std::size_t{3} * kBytes);
  normalize(ramp, how, values);
  if (scale != PixelScale{}) {
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = scale.at(i / kBytes, values[i]);
  }
  if (means == kFloat) {
    std::memcpy(entries_.data(), values.data(), entries_.size());
  } else {
    quantize(Tensor(values.data(), {3, kBytes}), Tensor(entries_.data(), {3, kBytes}, means));
  }
}

const std::byte* PixelTable::entries(std::int64_t c) const {
  return entries_.data() + static_cast<std::size_t>(c * kBytes) * size_of(means_.dtype);
}

void cut_patches(const ImageView& image, std::int64_t patch, const PixelTable& table, const Tensor& dst) {
  const Pixels pixels(image);
  check(patch > 0, "cut_patches: patches of ", patch, " pixels, expected at least 1");
  const std::int64_t across = image.width / patch;
  const std::int64_t down = image.height / patch;
  check(dst.rows() == across * down && dst.columns() == 3 * patch * patch && dst.strides[0] == dst.columns() &&
            dst.encoding == table.encoding(),
        "cut_patches: a picture of ", image.width, " x ", image.height, " pixels in patches of ", patch,
        " does not make [", dst.rows(), ", ", dst.columns(), "]");
  parallel_for(down, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) {
      switch (size_of(dst.encoding.dtype)) {
        case 1:
          row_of_patches<std::uint8_t>(pixels, patch, row, table, dst);
          break;
        case 2:
          row_of_patches<std::uint16_t>(pixels, patch, row, table, dst);
          break;
        default:
          row_of_patches<float>(pixels, patch, row, table, dst);
      }
    }
  });
}

}  // namespace vitq
