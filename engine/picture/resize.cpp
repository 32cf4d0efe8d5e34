#include "engine/picture/resize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "engine/error.h"
#include "engine/picture/filter_taps.h"
#include "engine/picture/pixels.h"

namespace vitq {

namespace {

constexpr int kChannels = 3;
constexpr int kFractionBits = 22;
// Both passes work on kLanes neighbouring bytes at a time: in the first, 16 rows of one column, laid side by side; in
// the second, 16 pixels of one row.
constexpr int kStripRows = 16;
constexpr int kLanes = kStripRows * kChannels;

/// The part of the resized picture that is wanted.
struct Box {
  int left, top, width, height;
};

/// For each wanted output coordinate: which input coordinates it is a sum of, and with which fixed-point weights.
struct Taps {
  std::vector<int> first, count;
  std::vector<std::int32_t> weights;  // [outputs, longest]
  int longest = 0;

  [[nodiscard]] int begin() const { return first.front(); }
  [[nodiscard]] int end() const { return first.back() + count.back(); }
};

std::int32_t to_fixed(double weight) {
  const double scaled = weight * (1 << kFractionBits);
  return static_cast<std::int32_t>(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
}

/// Taps of the outputs [begin, begin + size) when `from` coordinates become `to`.
Taps make_taps(Interpolation interpolation, int from, int to, int begin, int size) {
  Taps taps;
  taps.longest = static_cast<int>(most_filter_taps(interpolation, from, to));
  taps.weights.assign(static_cast<std::size_t>(size) * taps.longest, 0);
  std::vector<double> weights;
  for (int i = 0; i < size; ++i) {
    taps.first.push_back(static_cast<int>(filter_taps(interpolation, from, to, begin + i, weights)));
    taps.count.push_back(static_cast<int>(weights.size()));
    std::ranges::transform(weights, taps.weights.begin() + std::ptrdiff_t{i} * taps.longest, to_fixed);
  }
  return taps;
}

/// dst[l] = sum over t of weights[t] * src[t * stride + l], for kLanes lanes: rounded, and clamped to a byte.
/// The loops over lanes become SIMD code; clones for AVX2 and AVX-512 were measured and gain under 10 %.
/// |sum| stays below 2^31: the weights' absolute values add up to less than 1.5, and 1.5 * 255 < 2^9.
inline void weighted_sum(const std::uint8_t* src, std::size_t stride, const std::int32_t* weights, int count,
                         std::uint8_t* dst) {
  std::int32_t sums[kLanes];
  for (std::int32_t& sum : sums) sum = 1 << (kFractionBits - 1);
  for (int t = 0; t < count; ++t) {
    for (int l = 0; l < kLanes; ++l) sums[l] += weights[t] * src[t * stride + l];
  }
  for (int l = 0; l < kLanes; ++l) dst[l] = static_cast<std::uint8_t>(std::clamp(sums[l] >> kFractionBits, 0, 255));
}

/// First pass over one strip: `strip` is [columns from taps.begin(), kLanes]; `dst` is [outputs, kLanes].
void blend_across(const std::uint8_t* strip, const Taps& taps, std::uint8_t* dst) {
  const int origin = taps.begin();
  for (std::size_t i = 0; i < taps.first.size(); ++i) {
    weighted_sum(strip + static_cast<std::size_t>(taps.first[i] - origin) * kLanes, kLanes,
                 taps.weights.data() + i * taps.longest, taps.count[i], dst + i * kLanes);
  }
}

/// Second pass: `rows` is [rows from taps.begin(), stride], `dst` is [outputs, stride], stride a multiple of kLanes.
void blend_down(const std::uint8_t* rows, std::size_t stride, const Taps& taps, std::uint8_t* dst) {
  const int origin = taps.begin();
  for (std::size_t i = 0; i < taps.first.size(); ++i) {
    const std::uint8_t* src = rows + static_cast<std::size_t>(taps.first[i] - origin) * stride;
    for (std::size_t lane = 0; lane < stride; lane += kLanes) {
      weighted_sum(src + lane, stride, taps.weights.data() + i * taps.longest, taps.count[i], dst + i * stride + lane);
    }
  }
}

/// Copies `count` rows of a picture, from (left, top), to a strip, [columns, kLanes], in which 16 rows lie side by
/// side.
void rows_to_strip(const Pixels& image, int left, int top, int count, int columns, std::uint8_t* strip) {
  const auto [red, green, blue] = image.channel();
  for (int x = 0; x < columns; ++x) {
    for (int y = 0; y < count; ++y) {
      const std::uint8_t* pixel = image.at(left + x, top + y);
      std::uint8_t* to = strip + static_cast<std::size_t>(x) * kLanes + y * kChannels;
      to[0] = pixel[red];
      to[1] = pixel[green];
      to[2] = pixel[blue];
    }
  }
}

void strip_to_rows(const std::uint8_t* strip, int columns, int count, std::uint8_t* rows, std::size_t stride) {
  for (int x = 0; x < columns; ++x) {
    for (int y = 0; y < count; ++y) {
      std::memcpy(rows + y * stride + x * kChannels, strip + static_cast<std::size_t>(x) * kLanes + y * kChannels,
                  kChannels);
    }
  }
}

/// The first pass over rows [first_row, last_row) of `image`: [last_row - first_row, stride].
std::vector<std::uint8_t> resize_across(const Pixels& image, const Taps& taps, int first_row, int last_row,
                                        std::size_t stride) {
  const int columns = taps.end() - taps.begin();
  const int outputs = static_cast<int>(taps.first.size());
  std::vector<std::uint8_t> strip(static_cast<std::size_t>(columns) * kLanes);
  std::vector<std::uint8_t> blended(static_cast<std::size_t>(outputs) * kLanes);
  std::vector<std::uint8_t> rows((last_row - first_row) * stride);
  for (int y = first_row; y < last_row; y += kStripRows) {
    const int count = std::min(kStripRows, last_row - y);
    rows_to_strip(image, taps.begin(), y, count, columns, strip.data());
    blend_across(strip.data(), taps, blended.data());
    strip_to_rows(blended.data(), outputs, count, rows.data() + (y - first_row) * stride, stride);
  }
  return rows;
}

/// The pixels `box` of the picture resized to width x height; a pass whose size does not change alters nothing.
Image resize_box(const Pixels& image, Interpolation interpolation, int width, int height, const Box& box) {
  const Taps across = make_taps(interpolation, image.width(), width, box.left, box.width);
  const Taps down = make_taps(interpolation, image.height(), height, box.top, box.height);
  const std::int64_t between = std::int64_t{box.width} * (down.end() - down.begin());
  check(between <= kMaxImagePixels, ErrorCode::kUnsupported, "resizing a picture of ", image.width(), " x ",
        image.height(), " pixels to ", width, " x ", height, " takes ", between, " pixels in between; the limit is ",
        kMaxImagePixels, ": make the picture smaller first");
  const std::size_t row = static_cast<std::size_t>(box.width) * kChannels;
  const std::size_t stride = (row + kLanes - 1) / kLanes * kLanes;
  const std::vector<std::uint8_t> rows = resize_across(image, across, down.begin(), down.end(), stride);
  std::vector<std::uint8_t> padded(box.height * stride);
  blend_down(rows.data(), stride, down, padded.data());
  Image out{box.width, box.height, std::vector<std::uint8_t>(box.height * row)};
  for (int y = 0; y < box.height; ++y) std::memcpy(out.rgb.data() + y * row, padded.data() + y * stride, row);
  return out;
}

PictureSize size_of(const ImageView& image) { return {image.height, image.width}; }

PictureSize short_side_size(PictureSize image, std::int64_t size) {
  if (image.width <= image.height) return {size * image.height / image.width, size};
  return {size, size * image.width / image.height};
}

std::int64_t divided(std::int64_t side, double ratio) {
  return static_cast<std::int64_t>(std::nearbyint(static_cast<double>(side) / ratio));
}

/// (side - size) / 2, rounded.
int crop_offset(std::int64_t side, std::int64_t size, CropOffset rounding) {
  const std::int64_t half = (side - size) / 2;
  const bool odd = (side - size) % 2 != 0;
  return static_cast<int>(odd && rounding == CropOffset::kEven ? half + half % 2 : half);
}

void check_crop(PictureSize picture, PictureSize crop, const char* when) {
  check(crop.height > 0 && crop.width > 0, "cannot crop a picture to ", crop.width, " x ", crop.height,
        " pixels: expected at least 1");
  check(picture.width >= crop.width && picture.height >= crop.height, "a picture of ", picture.width, " x ",
        picture.height, " pixels", when, " is smaller than the crop of ", crop.width, " x ", crop.height,
        ": resize it to a short side of at least ", std::max(crop.width, crop.height));
}

Box box_of(PictureSize picture, PictureSize crop, CropOffset rounding) {
  return {crop_offset(picture.width, crop.width, rounding), crop_offset(picture.height, crop.height, rounding),
          static_cast<int>(crop.width), static_cast<int>(crop.height)};
}

void check_side(std::int64_t size) {
  check(size > 0 && size <= kMaxImageSide, "cannot resize the short side of a picture to ", size, ": expected 1 to ",
        kMaxImageSide);
}

// The part of the picture that a crop of how.image_size shows, in the middle of it.
Image bordered(const ImageView& image, const Preprocessing& how) {
  const PictureSize whole = resized_size(size_of(image), how.resize, ResizeMode::kBorder);
  check(whole.height > 0 && whole.width > 0, "a picture of ", image.width, " x ", image.height,
        " pixels is too long to fit into ", how.resize.width, " x ", how.resize.height);
  const PictureSize size = how.image_size;
  const PictureSize seen(std::min(whole.height, size.height), std::min(whole.width, size.width));
  const Image part = resize_box(Pixels(image), how.interpolation, static_cast<int>(whole.width),
                                static_cast<int>(whole.height), box_of(whole, seen, how.crop_offset));
  std::array<std::uint8_t, kChannels> colour{};
  for (int c = 0; c < kChannels; ++c) {
    colour[c] = static_cast<std::uint8_t>(std::clamp(std::nearbyint(255.0F * how.mean[c]), 0.0F, 255.0F));
  }
  Image out{static_cast<int>(size.width), static_cast<int>(size.height), {}};
  out.rgb.reserve(static_cast<std::size_t>(size.pixels()) * kChannels);
  for (std::int64_t i = 0; i < size.pixels(); ++i) out.rgb.insert(out.rgb.end(), colour.begin(), colour.end());
  const std::int64_t top = (size.height - seen.height) / 2;
  const std::int64_t left = (size.width - seen.width) / 2;
  for (std::int64_t y = 0; y < seen.height; ++y) {
    std::copy_n(part.rgb.data() + y * seen.width * kChannels, seen.width * kChannels,
                out.rgb.data() + ((top + y) * size.width + left) * kChannels);
  }
  return out;
}

// The taps of some outputs, in float.
struct FloatTaps {
  std::vector<std::int64_t> first;
  std::vector<std::vector<float>> weights;
};

FloatTaps float_taps(Interpolation interpolation, std::int64_t from, std::int64_t to, int begin, int size) {
  FloatTaps taps;
  for (int i = 0; i < size; ++i) {
    taps.first.push_back(filter_taps(interpolation, from, to, begin + i, taps.weights.emplace_back()));
  }
  return taps;
}

// The first pass over row y of a picture as floats between 0 and 1: [outputs, 3].
void across_in_float(const Pixels& image, int y, const FloatTaps& taps, float* dst) {
  constexpr float kScale = 1.0F / 255;
  const auto channel = image.channel();
  for (std::size_t i = 0; i < taps.first.size(); ++i) {
    std::array<float, kChannels> sums{};
    for (std::size_t t = 0; t < taps.weights[i].size(); ++t) {
      const std::uint8_t* pixel = image.at(static_cast<int>(taps.first[i]) + static_cast<int>(t), y);
      for (int c = 0; c < kChannels; ++c) {
        sums[c] += taps.weights[i][t] * (static_cast<float>(pixel[channel[c]]) * kScale);
      }
    }
    std::ranges::copy(sums, dst + i * kChannels);
  }
}

void preprocess_floats(const ImageView& image, const Preprocessing& how, std::span<float> chw) {
  check(how.resize_mode != ResizeMode::kBorder, ErrorCode::kUnsupported,
        "pictures with a border are resized in bytes, expected no resize_rounding of floats");
  const Pixels pixels(image);
  const PictureSize whole = resized_size(size_of(image), how.resize, how.resize_mode);
  check_crop(whole, how.image_size, " after resizing");
  const Box box = box_of(whole, how.image_size, how.crop_offset);
  const auto row = static_cast<std::int64_t>(box.width) * kChannels;
  check(std::ssize(chw) == row * box.height, "a picture of ", box.width, " x ", box.height, " pixels fills ",
        row * box.height, " floats, but there is room for ", chw.size());
  check(row * image.height <= kMaxImagePixels, ErrorCode::kUnsupported, "a picture of ", image.width, " x ",
        image.height, " pixels is too long to resize in float");
  const FloatTaps across = float_taps(how.interpolation, image.width, whole.width, box.left, box.width);
  const FloatTaps down = float_taps(how.interpolation, image.height, whole.height, box.top, box.height);
  const std::int64_t first = down.first.front();
  const std::int64_t end = down.first.back() + std::ssize(down.weights.back());
  std::vector<float> rows((end - first) * row);
  for (std::int64_t y = first; y < end; ++y) {
    across_in_float(pixels, static_cast<int>(y), across, rows.data() + (y - first) * row);
  }
  std::vector<float> sums(row);
  const std::int64_t plane = std::int64_t{box.width} * box.height;
  for (std::int64_t y = 0; y < box.height; ++y) {
    std::ranges::fill(sums, 0.0F);
    for (std::int64_t t = 0; t < std::ssize(down.weights[y]); ++t) {
      const float* from = rows.data() + (down.first[y] + t - first) * row;
      for (std::int64_t i = 0; i < row; ++i) sums[i] += down.weights[y][t] * from[i];
    }
    for (std::int64_t i = 0; i < row; ++i) {
      const std::int64_t c = i % kChannels;
      chw[c * plane + y * box.width + i / kChannels] = (sums[i] - how.mean[c]) / how.std[c];
    }
  }
}

}  // namespace

Image resize(const ImageView& image, int width, int height, Interpolation interpolation) {
  const Pixels pixels(image);
  check(width > 0 && height > 0 && std::int64_t{width} * height <= kMaxImagePixels, "cannot resize a picture of ",
        image.width, " x ", image.height, " pixels to ", width, " x ", height, ": expected 1 to ", kMaxImagePixels,
        " pixels");
  return resize_box(pixels, interpolation, width, height, {0, 0, width, height});
}

Image resize_short_side(const ImageView& image, int size, Interpolation interpolation) {
  check_view(image);
  check_side(size);
  const auto [height, width] = short_side_size(size_of(image), size);
  check(width * height <= kMaxImagePixels, "resizing a picture of ", image.width, " x ", image.height,
        " pixels to a short side of ", size, " makes ", width, " x ", height, "; the limit is ", kMaxImagePixels,
        " pixels");
  return resize(image, static_cast<int>(width), static_cast<int>(height), interpolation);
}

Image center_crop(const ImageView& image, PictureSize size, CropOffset rounding) {
  const Pixels pixels(image);
  check_crop(size_of(image), size, "");
  const Box box = box_of(size_of(image), size, rounding);
  const std::size_t row = static_cast<std::size_t>(box.width) * kChannels;
  Image out{box.width, box.height, std::vector<std::uint8_t>(box.height * row)};
  for (int y = 0; y < box.height; ++y) pixels.copy(box.left, box.top + y, box.width, out.rgb.data() + y * row);
  return out;
}

PictureSize resized_size(PictureSize image, PictureSize to, ResizeMode mode) {
  check(image.height > 0 && image.width > 0, "a picture of ", image.width, " x ", image.height,
        " pixels has none to resize");
  check_side(to.height);
  check_side(to.width);
  if (mode == ResizeMode::kSquash) return to;
  if (mode == ResizeMode::kShortest && to.is_square()) return short_side_size(image, to.height);
  const double down = static_cast<double>(image.height) / static_cast<double>(to.height);
  const double across = static_cast<double>(image.width) / static_cast<double>(to.width);
  const double ratio = mode == ResizeMode::kBorder ? std::max(down, across) : std::min(down, across);
  return {divided(image.height, ratio), divided(image.width, ratio)};
}

Image resize_and_crop(const ImageView& image, PictureSize to, PictureSize size, Interpolation interpolation,
                      ResizeMode mode, CropOffset rounding) {
  const Pixels pixels(image);
  const PictureSize whole = resized_size(size_of(image), to, mode);
  check_crop(whole, size, " after resizing");
  // At most kMaxImageSide^2, which is above an int's range only for a picture no decoder here would return.
  check(std::max(whole.width, whole.height) <= INT32_MAX, ErrorCode::kUnsupported, "a picture of ", image.width, " x ",
        image.height, " pixels is too long to resize to a short side of ", std::min(to.width, to.height));
  return resize_box(pixels, interpolation, static_cast<int>(whole.width), static_cast<int>(whole.height),
                    box_of(whole, size, rounding));
}

void normalize(const Image& image, const Preprocessing& how, std::span<float> chw) {
  check_view(image);
  const std::size_t pixels = static_cast<std::size_t>(image.width) * image.height;
  check(chw.size() == pixels * kChannels, "a picture of ", image.width, " x ", image.height, " pixels fills ",
        pixels * kChannels, " floats, but there is room for ", chw.size());
  for (int c = 0; c < kChannels; ++c) {
    check(how.std[c] > 0.0F, "the standard deviation of channel ", c, " is ", how.std[c], ": expected more than 0");
    std::array<float, 256> value{};
    for (int byte = 0; byte < 256; ++byte) {
      value[byte] = (static_cast<float>(byte) / 255.0F - how.mean[c]) / how.std[c];
    }
    float* plane = chw.data() + c * pixels;
    for (std::size_t i = 0; i < pixels; ++i) plane[i] = value[image.rgb[i * kChannels + c]];
  }
}

Image resized(const ImageView& image, const Preprocessing& how) {
  if (how.resize == 0) return center_crop(image, how.image_size, how.crop_offset);
  if (how.resize_mode == ResizeMode::kBorder) return bordered(image, how);
  return resize_and_crop(image, how.resize, how.image_size, how.interpolation, how.resize_mode, how.crop_offset);
}

bool makes_floats(const Preprocessing& how) { return how.resize_rounding == ResizeRounding::kNone && how.resize != 0; }

void preprocess(const ImageView& image, const Preprocessing& how, std::span<float> chw) {
  if (makes_floats(how)) {
    preprocess_floats(image, how, chw);
    return;
  }
  normalize(resized(image, how), how, chw);
}

}  // namespace vitq
