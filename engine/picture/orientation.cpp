#include "engine/picture/orientation.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <utility>

#include "engine/picture/byte_order.h"

namespace vitq {

namespace {

using namespace std::string_view_literals;

constexpr std::uint32_t kOrientationTag = 0x112;

/// A TIFF file, read in the byte order that its first two letters state.
class Tiff {
 public:
  explicit Tiff(Bytes bytes) : bytes_(bytes) {
    // The wrong-way-round 42 is written by some cameras, and Pillow takes it.
    is_big_ = has(bytes, 0, "MM\0*"sv) || has(bytes, 0, "MM*\0"sv);
    is_tiff_ = (is_big_ || has(bytes, 0, "II*\0"sv) || has(bytes, 0, "II\0*"sv)) && bytes.size() >= kHeader;
  }

  /// The first entry for an orientation, 0 where its value is no whole number; nothing where there is no entry.
  [[nodiscard]] std::optional<std::uint32_t> orientation() const {
    if (!is_tiff_) return std::nullopt;
    const std::size_t directory = u32(4);
    if (directory + 2 > bytes_.size()) return std::nullopt;
    const std::size_t entries = u16(directory);
    std::size_t elsewhere = 0;  // bytes of values that lie outside of their entries
    for (std::size_t at = directory + 2; at < directory + 2 + entries * kEntry; at += kEntry) {
      if (at + kEntry > bytes_.size()) break;
      const std::uint32_t type = u16(at + 2);
      const std::size_t size = std::size_t{u32(at + 4)} * size_of(type);
      std::size_t value = at + 8;
      if (size > 4) {
        value = u32(at + 8);
        elsewhere += size;
        if (elsewhere > bytes_.size()) continue;
        if (value + size > bytes_.size()) break;  // so does Pillow: what follows is not trusted
      }
      if (u16(at) == kOrientationTag && size > 0) return number(type, value);
    }
    return std::nullopt;
  }

 private:
  static constexpr std::size_t kHeader = 8;
  static constexpr std::size_t kEntry = 12;

  /// Bytes of one value; 0 for a type that there is not.
  static std::size_t size_of(std::uint32_t type) {
    static constexpr std::array<std::uint8_t, 17> kSizes{0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8};
    return type < kSizes.size() ? kSizes[type] : 0;
  }

  [[nodiscard]] std::uint32_t number(std::uint32_t type, std::size_t at) const {
    enum : std::uint32_t { kShort = 3, kLong = 4, kSignedByte = 6, kSignedShort = 8, kSignedLong = 9, kIfd = 13 };
    if (type == kSignedByte) return bytes_[at];
    if (type == kShort || type == kSignedShort) return u16(at);
    return type == kLong || type == kSignedLong || type == kIfd ? u32(at) : 0;
  }

  [[nodiscard]] std::uint32_t u16(std::size_t at) const { return is_big_ ? be16(bytes_, at) : le16(bytes_, at); }
  [[nodiscard]] std::uint32_t u32(std::size_t at) const { return is_big_ ? be32(bytes_, at) : le32(bytes_, at); }

  Bytes bytes_;
  bool is_big_ = false;
  bool is_tiff_ = false;
};

Bytes bytes_of(std::string_view text) { return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}; }

std::optional<std::uint32_t> stated_in_exif(std::string_view exif) {
  constexpr std::string_view kMark = "Exif\0\0"sv;
  // Twice, for some programs write it twice.
  for (int i = 0; i < 2; ++i) {
    if (exif.starts_with(kMark)) exif.remove_prefix(kMark.size());
  }
  return Tiff(bytes_of(exif)).orientation();
}

/// tiff:Orientation="6" or <tiff:Orientation>6<.
std::optional<std::uint32_t> stated_in_xmp(std::string_view xmp) {
  constexpr std::string_view kKey = "tiff:Orientation";
  for (std::size_t at = xmp.find(kKey); at != std::string_view::npos; at = xmp.find(kKey, at)) {
    at += kKey.size();
    std::string_view rest = xmp.substr(at);
    const std::size_t opening = rest.starts_with("=\"") ? 2 : (rest.starts_with(">") ? 1 : 0);
    rest.remove_prefix(opening);
    if (opening > 0 && !rest.empty() && rest[0] >= '0' && rest[0] <= '9') return rest[0] - '0';
  }
  return std::nullopt;
}

}  // namespace

int orientation_of(const PictureMetadata& metadata) {
  std::optional<std::uint32_t> stated = stated_in_exif(metadata.exif);
  if (!stated) stated = stated_in_xmp(metadata.xmp);
  return stated && *stated >= 1 && *stated <= 8 ? static_cast<int>(*stated) : 1;
}

Image turned_upright(Image image, int orientation) {
  if (orientation == 1) return image;
  const bool is_on_its_side = orientation >= 5;
  const bool flips_columns = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool flips_rows = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const std::ptrdiff_t row = std::ptrdiff_t{3} * image.width;
  // One step to the right and one step down in the stored picture.
  std::ptrdiff_t right = flips_columns ? -3 : 3;
  std::ptrdiff_t down = flips_rows ? -row : row;
  const std::ptrdiff_t start = (flips_columns ? row - 3 : 0) + (flips_rows ? (image.height - 1) * row : 0);
  if (is_on_its_side) std::swap(right, down);
  Image upright = image;
  if (is_on_its_side) std::swap(upright.width, upright.height);
  // Bands of rows, so that a picture on its side is read along its stored rows.
  constexpr int kBand = 32;
  for (int top = 0; top < upright.height; top += kBand) {
    const int bottom = std::min(top + kBand, upright.height);
    for (int x = 0; x < upright.width; ++x) {
      for (int y = top; y < bottom; ++y) {
        const std::uint8_t* from = image.rgb.data() + start + x * right + y * down;
        std::copy_n(from, 3, upright.rgb.data() + (std::size_t{3} * y) * upright.width + std::size_t{3} * x);
      }
    }
  }
  return upright;
}

}  // namespace vitq
