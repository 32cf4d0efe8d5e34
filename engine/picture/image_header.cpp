#include "engine/picture/image_header.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>

#include "engine/error.h"
#include "engine/picture/byte_order.h"
#include "vitq/image.h"

namespace vitq {

namespace {

[[noreturn]] void fail_truncated(const char* format, const std::string& name) {
  fail(ErrorCode::kFormat, name, ": the ", format,
       " picture is cut off: the file ends before the picture does; copy or download it again");
}

[[noreturn]] void fail_damaged(const char* format, const std::string& name, const std::string& what) {
  fail(ErrorCode::kFormat, name, ": damaged ", format, " picture: ", what, "; copy or download it again");
}

/// Refuses a size whose pixels cannot possibly be packed into `packed` bytes.
void check_plausible(PictureSize size, std::int64_t least, std::size_t packed, const char* format,
                     const std::string& name) {
  check(least <= static_cast<std::int64_t>(packed), ErrorCode::kFormat, name, ": damaged ", format,
        " picture: it claims ", size.width, " x ", size.height, " pixels, which takes at least ", least,
        " bytes, but holds ", packed);
}

enum JpegMarker : int { kHuffman = 0xC4, kAdobe = 0xEE, kStartOfScan = 0xDA, kEndOfImage = 0xD9 };

/// The segments of a JPEG up to its first scan. What follows is the decoder's: many a camera and program writes more
/// behind its picture, or leaves the end marker out.
class JpegWalk {
 public:
  JpegWalk(Bytes bytes, int least_side, const std::string& name)
      : bytes_(bytes), least_side_(least_side), name_(name) {}

  JpegFrame run() {
    for (int marker = next_marker(); marker != kStartOfScan; marker = next_marker()) {
      if (marker == kEndOfImage) fail_damaged("JPEG", name_, "no pixels in it");
      if (marker < 0xC0 || (marker >= 0xD0 && marker <= 0xD8)) fail_damaged("JPEG", name_, "a marker out of place");
      const Bytes body = next_segment();
      if (marker == kHuffman) {
        check_huffman_tables(body);
      } else if (marker == kAdobe && body.size() >= 12 && std::memcmp(body.data(), "Adobe", 5) == 0) {
        adobe_transform_ = body[11];
      } else if (marker <= 0xCF) {
        read_frame(marker, body);
      }
    }
    if (frame_.size.width == 0) fail_damaged("JPEG", name_, "pixels before the frame header");
    check(components_ != 4 || adobe_transform_ == 0 || adobe_transform_ == 2, ErrorCode::kUnsupported, name_,
          ": is a four-channel JPEG without Adobe's colour mark, which vitq cannot read: convert it to RGB first");
    return frame_;
  }

 private:
  /// The code of the next marker; garbage and fill bytes before it are skipped.
  int next_marker() {
    while (at_ < bytes_.size() && bytes_[at_] != 0xFF) ++at_;
    while (at_ < bytes_.size() && bytes_[at_] == 0xFF) ++at_;
    if (at_ >= bytes_.size()) fail_truncated("JPEG", name_);
    return bytes_[at_++];
  }

  /// The bytes of a segment behind its two bytes of length.
  Bytes next_segment() {
    if (at_ + 2 > bytes_.size()) fail_truncated("JPEG", name_);
    const std::size_t length = be16(bytes_, at_);
    if (length < 2) fail_damaged("JPEG", name_, "a segment of length " + std::to_string(length));
    if (at_ + length > bytes_.size()) fail_truncated("JPEG", name_);
    const Bytes body = bytes_.subspan(at_ + 2, length - 2);
    at_ += length;
    return body;
  }

  /// Said here in plain words; libjpeg says "bogus".
  void check_huffman_tables(Bytes body) {
    while (!body.empty()) {
      if (body.size() < 17) fail_damaged("JPEG", name_, "a Huffman table is cut off");
      std::size_t codes = 0;
      for (int i = 1; i <= 16; ++i) codes += body[i];
      if (codes > 256) fail_damaged("JPEG", name_, "a Huffman table of " + std::to_string(codes) + " codes");
      if (body.size() < 17 + codes) fail_damaged("JPEG", name_, "a Huffman table is cut off");
      body = body.subspan(17 + codes);
    }
  }

  void read_frame(int marker, Bytes body) {
    const bool lossless = marker == 0xC3 || marker == 0xC7 || marker == 0xCB || marker == 0xCF;
    const bool arithmetic = marker >= 0xC9;
    check(marker <= 0xC2, ErrorCode::kUnsupported, name_, ": is a JPEG of an uncommon kind (",
          lossless ? "lossless" : (arithmetic ? "arithmetic-coded" : "hierarchical"),
          "), which vitq cannot read: convert it to a baseline JPEG or a PNG first");
    if (body.size() < 6) fail_damaged("JPEG", name_, "the frame header is too short");
    if (frame_.size.width != 0) fail_damaged("JPEG", name_, "a second frame header");
    check(body[0] == 8, ErrorCode::kUnsupported, name_, ": is a ", int{body[0]},
          "-bit JPEG, which vitq cannot read: convert it to an 8-bit JPEG or a PNG first");
    const PictureSize size(be16(body, 1), be16(body, 3));
    components_ = body[5];
    frame_ = {size, reduction_of(size)};
    check_picture_size(reduced(size, frame_.reduction), "JPEG", name_);
    // A block of 8 x 8 samples takes at least a bit, and at the coarsest sampling there are two blocks for 32 x 32
    // pixels.
    check_plausible(size, size.width * size.height / 4096, bytes_.size(), "JPEG", name_);
  }

  /// The least that brings the picture within the limit and leaves its short side long enough; else 1.
  [[nodiscard]] int reduction_of(PictureSize size) const {
    if (least_side_ <= 0 || size.width * size.height > kMostReducedPixels) return 1;
    for (const int reduction : {1, 2, 4, 8}) {
      const PictureSize small = reduced(size, reduction);
      const bool is_whole = reduction == 1;
      if (!is_whole && std::min(small.width, small.height) < least_side_) break;
      if (small.width * small.height <= kMaxImagePixels) return reduction;
    }
    return 1;
  }

  Bytes bytes_;
  int least_side_;
  const std::string& name_;
  std::size_t at_ = 2;
  JpegFrame frame_;
  int components_ = 0;
  int adobe_transform_ = -1;
};

constexpr std::array<std::uint32_t, 256> make_crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? crc >> 1 ^ 0xEDB88320U : crc >> 1;
    table[byte] = crc;
  }
  return table;
}

/// The size in an IHDR chunk, and the bytes its pixels take when unpacked.
PictureSize read_png_header(Bytes ihdr, const std::string& name, std::int64_t& unpacked) {
  if (ihdr.size() != 13) fail_damaged("PNG", name, "a header of " + std::to_string(ihdr.size()) + " bytes, not 13");
  const PictureSize size(be32(ihdr, 4), be32(ihdr, 0));
  check_picture_size(size, "PNG", name);
  const int depth = ihdr[8];
  const int color = ihdr[9];
  static constexpr std::array<int, 7> kSamples{1, 0, 3, 1, 2, 0, 4};
  if (color >= static_cast<int>(kSamples.size()) || kSamples[color] == 0 || depth == 0 || depth > 16) {
    fail_damaged("PNG", name,
                 "unknown colour type " + std::to_string(color) + " of " + std::to_string(depth) + " bits");
  }
  unpacked = size.height * ((size.width * kSamples[color] * depth + 7) / 8);
  return size;
}

}  // namespace

void check_picture_size(PictureSize size, const char* format, const std::string& name) {
  if (size.width <= 0 || size.height <= 0) {
    fail_damaged(format, name,
                 "it claims " + std::to_string(size.width) + " x " + std::to_string(size.height) + " pixels");
  }
  check(size.width <= kMaxImageSide && size.height <= kMaxImageSide && size.width * size.height <= kMaxImagePixels,
        ErrorCode::kUnsupported, name, ": the ", format, " picture is too large: ", size.width, " x ", size.height,
        " pixels, the limits are ", kMaxImageSide, " for a side and ", kMaxImagePixels,
        " in all; make it smaller first");
}

PictureSize reduced(PictureSize size, int reduction) {
  return {(size.height + reduction - 1) / reduction, (size.width + reduction - 1) / reduction};
}

JpegFrame check_jpeg(Bytes bytes, int least_side, const std::string& name) {
  return JpegWalk(bytes, least_side, name).run();
}

std::uint32_t png_checksum(Bytes bytes) {
  static constexpr std::array<std::uint32_t, 256> kTable = make_crc_table();
  std::uint32_t crc = ~0U;
  for (const std::uint8_t byte : bytes) crc = crc >> 8 ^ kTable[(crc ^ byte) & 0xFF];
  return ~crc;
}

PictureSize check_png(Bytes bytes, const std::string& name) {
  constexpr std::size_t kSignature = 8;
  constexpr std::size_t kFrame = 12;  // length, type and checksum around a chunk's data
  PictureSize size;
  std::int64_t unpacked = 0;
  std::size_t packed = 0;
  for (std::size_t at = kSignature;;) {
    if (bytes.size() < at + kFrame) fail_truncated("PNG", name);
    const std::size_t length = be32(bytes, at);
    const std::string_view type(reinterpret_cast<const char*>(bytes.data()) + at + 4, 4);
    if (size.width == 0 && type != "IHDR") fail_damaged("PNG", name, "it does not begin with its header");
    if (length > bytes.size() - at - kFrame) fail_truncated("PNG", name);
    const Bytes data = bytes.subspan(at + 8, length);
    const bool critical = (type[0] & 0x20) == 0;
    if (critical && type != "IHDR" && type != "PLTE" && type != "IDAT" && type != "IEND") {
      fail_damaged("PNG", name, "an unknown critical chunk");
    }
    if (critical && png_checksum(bytes.subspan(at + 4, length + 4)) != be32(bytes, at + 8 + length)) {
      fail_damaged("PNG", name, "wrong checksum in chunk " + std::string(type));
    }
    if (type == "IHDR") size = read_png_header(data, name, unpacked);
    if (type == "IDAT") packed += length;
    if (type == "IEND") break;
    at += length + kFrame;
  }
  if (packed == 0) fail_damaged("PNG", name, "no pixels in it");
  // Deflate shrinks by a factor of 1032 at most.
  check_plausible(size, unpacked / 1032, packed, "PNG", name);
  return size;
}

PictureSize check_bmp(Bytes bytes, const std::string& name) {
  constexpr std::size_t kFileHeader = 14;
  constexpr std::size_t kInfoHeader = 40;
  if (bytes.size() < kFileHeader + kInfoHeader) fail_truncated("BMP", name);
  const std::uint32_t pixels_at = le32(bytes, 10);
  const std::uint32_t header = le32(bytes, 14);
  check(header == 40 || header == 56 || header == 108 || header == 124, ErrorCode::kUnsupported, name,
        ": is a BMP with a header of ", header,
        " bytes, which vitq cannot read (40, 56, 108 and 124 it can): convert it to PNG first");
  // The height is negative when the rows run from the top.
  const std::int64_t width = static_cast<std::int32_t>(le32(bytes, 18));
  const std::int64_t height = static_cast<std::int32_t>(le32(bytes, 22));
  const PictureSize size(height < 0 ? -height : height, width);
  check_picture_size(size, "BMP", name);
  const std::uint32_t bits = le16(bytes, 28);
  const std::uint32_t compression = le32(bytes, 30);
  check(compression == 0 || (compression == 3 && (bits == 16 || bits == 32)), ErrorCode::kUnsupported, name,
        ": is a compressed BMP, which vitq cannot read: convert it to PNG first");
  check(bits == 1 || bits == 4 || bits == 8 || bits == 16 || bits == 24 || bits == 32, ErrorCode::kUnsupported, name,
        ": is a BMP of ", bits, " bits a pixel, which vitq cannot read: convert it to PNG first");
  if (pixels_at < kFileHeader + header) fail_damaged("BMP", name, "its pixels overlap its header");
  const std::int64_t row = (size.width * bits + 31) / 32 * 4;
  if (pixels_at + row * size.height > static_cast<std::int64_t>(bytes.size())) fail_truncated("BMP", name);
  return size;
}

PictureFormat format_of(Bytes bytes) {
  if (has(bytes, 0, "\xFF\xD8")) return PictureFormat::kJpeg;
  if (has(bytes, 0, "\x89PNG\r\n\x1A\n")) return PictureFormat::kPng;
  if (has(bytes, 0, "BM")) return PictureFormat::kBmp;
  return has(bytes, 0, "P5") || has(bytes, 0, "P6") ? PictureFormat::kPnm : PictureFormat::kUnknown;
}

}  // namespace vitq
