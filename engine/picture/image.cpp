#include "vitq/image.h"

#include <stb/stb_image.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <memory>
#include <string_view>
#include <system_error>

#include "engine/error.h"
#include "engine/picture/byte_order.h"
#include "engine/picture/image_header.h"
#include "engine/picture/jpeg.h"
#include "engine/picture/orientation.h"

namespace vitq {

namespace {

using namespace std::string_view_literals;

/// A format by the bytes it has at a place near its beginning.
struct Magic {
  std::size_t at;
  std::string_view bytes;
  std::string_view what;
};

// What people hand to a picture reader that is not one of the formats read here. The first that fits counts.
constexpr Magic kForeign[] = {
    {8, "WEBP", "a WebP picture"},
    {0, "GIF8", "a GIF picture"},
    {0, "II*\0"sv, "a TIFF picture"},
    {0, "MM\0*"sv, "a TIFF picture"},
    {4, "ftypavi", "an AVIF picture"},
    {4, "ftyphe", "a HEIC picture"},
    {4, "ftypmif1", "a HEIC picture"},
    {4, "ftypmsf1", "a HEIC picture"},
    {4, "ftyp", "a video file"},
    {4, "JXL \r\n", "a JPEG XL picture"},
    {0, "\xFF\x0A", "a JPEG XL picture"},
    {4, "jP  \r\n", "a JPEG 2000 picture"},
    {0, "\xFF\x4F\xFF\x51", "a JPEG 2000 picture"},
    {0, "8BPS", "a Photoshop picture"},
    {0, "\0\0\1\0"sv, "an icon file"},
    {0, "P1", "a text or one-bit PNM picture"},
    {0, "P2", "a text or one-bit PNM picture"},
    {0, "P3", "a text or one-bit PNM picture"},
    {0, "P4", "a text or one-bit PNM picture"},
    {0, "P7", "a PAM picture"},
    {0, "#?RADIANCE", "a Radiance HDR picture"},
    {0, "v/1\1", "an OpenEXR picture"},
    {0, "qoif", "a QOI picture"},
    {0, "DDS ", "a DDS texture"},
    {0, "%PDF", "a PDF document"},
    {0, "PK\3\4", "a ZIP archive"},
    {0, "\x1F\x8B", "a gzip archive"},
    {0, "<svg", "an SVG drawing"},
    {0, "<?xml", "an XML file (perhaps an SVG drawing)"},
    {0, "<!DOCTYPE", "a web page, not a picture (a failed download?)"},
    {0, "<!doctype", "a web page, not a picture (a failed download?)"},
    {0, "<html", "a web page, not a picture (a failed download?)"},
    {0, "version https://git-lfs", "a Git LFS pointer, not the picture itself"},
};

[[noreturn]] void fail_foreign(Bytes bytes, const std::string& name) {
  std::string_view what = "not a picture that vitq knows";
  const Bytes start = bytes.first(std::min<std::size_t>(bytes.size(), 256));
  const auto is_text = [](std::uint8_t c) { return (c >= 0x20 && c != 0x7F) || (c >= '\t' && c <= '\r'); };
  if (start[0] < 0x80 && std::ranges::all_of(start, is_text)) what = "a text file, not a picture";
  for (const Magic& magic : kForeign) {
    if (has(bytes, magic.at, magic.bytes)) {
      what = magic.what;
      break;
    }
  }
  fail(ErrorCode::kUnsupported, name, ": is ", what, "; vitq reads JPEG, PNG, BMP and PPM: convert it first");
}

/// Lets stb_image decode what the checks of image_header.h have let pass.
Image decode_with_stb(Bytes bytes, PictureSize size, const char* format, const std::string& name) {
  int width = 0;
  int height = 0;
  int channels = 0;
  const std::unique_ptr<stbi_uc, void (*)(void*)> pixels(
      stbi_load_from_memory(bytes.data(), static_cast<int>(bytes.size()), &width, &height, &channels, 3),
      stbi_image_free);
  if (pixels == nullptr) {
    const char* reason = stbi_failure_reason();
    check(reason == nullptr || std::strcmp(reason, "outofmem") != 0, ErrorCode::kMemory, name,
          ": there is not enough memory to decode a ", format, " picture of ", size.width, " x ", size.height,
          " pixels, or it unpacks to more than that");
    // stb_image leaves the reason of an earlier, harmless test where it has none of its own.
    const bool said = reason != nullptr && std::strcmp(reason, "bad png sig") != 0;
    fail(ErrorCode::kFormat, name, ": damaged ", format, " picture: its data do not decode (",
         said ? reason : "inconsistent header", "); copy or download it again");
  }
  check(width == size.width && height == size.height, ErrorCode::kFormat, name, ": damaged ", format,
        " picture: it claims ", size.width, " x ", size.height, " pixels and holds ", width, " x ", height);
  Image image{width, height, {}};
  image.rgb.assign(pixels.get(), pixels.get() + std::size_t{3} * width * height);
  return image;
}

/// Reads the numbers of a PNM header: decimal, apart by white space and by comments from # to the end of the line.
class PnmHeader {
 public:
  PnmHeader(Bytes bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  std::int64_t number() {
    while (at_ < bytes_.size() && (is_space(bytes_[at_]) || bytes_[at_] == '#')) {
      if (bytes_[at_] == '#') {
        while (at_ < bytes_.size() && bytes_[at_] != '\n' && bytes_[at_] != '\r') ++at_;
      } else {
        ++at_;
      }
    }
    std::int64_t value = 0;
    const std::size_t start = at_;
    for (; at_ < bytes_.size() && bytes_[at_] >= '0' && bytes_[at_] <= '9'; ++at_) {
      value = std::min<std::int64_t>(value * 10 + (bytes_[at_] - '0'), kTooLarge);
    }
    check(at_ > start, ErrorCode::kFormat, name_, ": damaged PNM picture: expected a number at byte ", start);
    return value;
  }

  /// What follows the header and the one white space that ends it.
  Bytes rest() {
    check(at_ < bytes_.size() && is_space(bytes_[at_]), ErrorCode::kFormat, name_,
          ": damaged PNM picture: no pixels behind its header");
    return bytes_.subspan(at_ + 1);
  }

 private:
  static constexpr std::int64_t kTooLarge = 1'000'000'000;
  static bool is_space(std::uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

  Bytes bytes_;
  const std::string& name_;
  std::size_t at_ = 2;
};

/// Binary PGM and PPM, 8 or 16 bits a sample, read here: stb_image 2.27 mishandles 16 bits and takes missing pixels for
/// 0.
Image decode_pnm(Bytes bytes, const std::string& name) {
  const int channels = bytes[1] == '6' ? 3 : 1;
  PnmHeader header(bytes, name);
  const std::int64_t width = header.number();
  const std::int64_t height = header.number();
  const std::int64_t most = header.number();
  check_picture_size({height, width}, "PNM", name);
  check(most >= 1 && most <= 65535, ErrorCode::kFormat, name, ": damaged PNM picture: maximum value ", most,
        ", expected 1 to 65535");
  const Bytes samples = header.rest();
  const int sample_bytes = most > 255 ? 2 : 1;
  const std::size_t pixels = static_cast<std::size_t>(width * height);
  check(samples.size() >= pixels * channels * sample_bytes, ErrorCode::kFormat, name,
        ": the PNM picture is cut off: ", width, " x ", height, " pixels take ", pixels * channels * sample_bytes,
        " bytes, the file holds ", samples.size(), "; copy or download it again");
  // What each sample becomes; rounded half to even, as Python's round() in Pillow.
  std::vector<std::uint8_t> scaled(sample_bytes == 1 ? 256 : 65536, 255);
  for (std::int64_t value = 0; value < most; ++value) {
    scaled[value] =
        static_cast<std::uint8_t>(std::nearbyint(static_cast<double>(value) / static_cast<double>(most) * 255.0));
  }
  const auto sample = [&](std::size_t i) {
    return scaled[sample_bytes == 1 ? samples[i] : samples[2 * i] * 256 + samples[2 * i + 1]];
  };
  Image image{static_cast<int>(width), static_cast<int>(height), std::vector<std::uint8_t>(pixels * 3)};
  for (std::size_t i = 0; i < pixels; ++i) {
    for (int c = 0; c < 3; ++c) image.rgb[3 * i + c] = sample(channels == 3 ? 3 * i + c : i);
  }
  return image;
}

}  // namespace

Image decode_image(Bytes bytes, const std::string& name, const DecodeOptions& options) {
  check(!bytes.empty(), ErrorCode::kFormat, name, ": is empty; expected a JPEG, PNG, BMP or PPM picture");
  check(bytes.size() <= kMaxImageFileBytes, ErrorCode::kUnsupported, name,
        ": is too large for a picture: ", bytes.size(), " bytes, the limit is ", kMaxImageFileBytes);
  const auto upright = [&](Image image, const PictureMetadata& metadata) {
    return turned_upright(std::move(image), options.apply_orientation ? orientation_of(metadata) : 1);
  };
  switch (format_of(bytes)) {
    case PictureFormat::kJpeg: {
      DecodedJpeg jpeg = decode_jpeg(bytes, check_jpeg(bytes, options.least_side, name), name);
      return upright(std::move(jpeg.image), jpeg.metadata);
    }
    case PictureFormat::kPng:
      return upright(decode_with_stb(bytes, check_png(bytes, name), "PNG", name), png_metadata(bytes));
    case PictureFormat::kBmp:
      return decode_with_stb(bytes, check_bmp(bytes, name), "BMP", name);
    case PictureFormat::kPnm:
      return decode_pnm(bytes, name);
    case PictureFormat::kUnknown:
      break;
  }
  fail_foreign(bytes, name);
}

Image load_image(const std::filesystem::path& path, const DecodeOptions& options) {
  const std::string name = path.string();
  std::error_code error;
  const std::filesystem::file_status status = std::filesystem::status(path, error);
  check(status.type() != std::filesystem::file_type::not_found, ErrorCode::kFile, name,
        ": there is no such file; expected a picture");
  check(!std::filesystem::is_directory(status), ErrorCode::kFile, name, ": is a directory; expected a picture file");
  check(!error, ErrorCode::kFile, name, ": cannot be read: ", error.message());
  check(std::filesystem::is_regular_file(status), ErrorCode::kFile, name,
        ": is not a regular file; expected a picture file");
  const std::uintmax_t size = std::filesystem::file_size(path, error);
  check(!error, ErrorCode::kFile, name, ": cannot be read: ", error.message());
  check(size <= kMaxImageFileBytes, ErrorCode::kUnsupported, name, ": is too large for a picture: ", size,
        " bytes, the limit is ", kMaxImageFileBytes);
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  check(file.is_open(), ErrorCode::kFile, name, ": cannot be opened: ", std::generic_category().message(errno));
  std::vector<std::uint8_t> bytes(size);
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size));
  check(static_cast<std::uintmax_t>(file.gcount()) == size, ErrorCode::kFile, name,
        ": could only be read in part: ", file.gcount(), " of ", size, " bytes");
  return decode_image(bytes, name, options);
}

}  // namespace vitq
