// The chunks of a PNG that may say which way up it is.
#include <stb/stb_image.h>

#include <algorithm>
#include <optional>
#include <string_view>

#include "engine/picture/byte_order.h"
#include "engine/picture/image_header.h"
#include "engine/picture/orientation.h"

namespace vitq {

namespace {

constexpr std::string_view kExif = "exif";
constexpr std::string_view kRawExif = "Raw profile type exif";
constexpr std::string_view kXmp = "XML:com.adobe.xmp";
constexpr std::size_t kMostText = std::size_t{1} << 20;  // unpacked; Pillow's own limit

struct Text {
  std::string_view key;
  std::string value;
};

/// What lies before the first 0 of `text`, which keeps what lies behind it; all of it where there is no 0.
std::string_view take_word(std::string_view& text) {
  const std::size_t end = std::min(text.find('\0'), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return word;
}

/// Nothing where it does not unpack, or to too much.
std::string unpacked(std::string_view zlib) {
  std::string text(kMostText, '\0');
  const int size =
      stbi_zlib_decode_buffer(text.data(), static_cast<int>(text.size()), zlib.data(), static_cast<int>(zlib.size()));
  text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return text;
}

bool is_wanted(std::string_view key) { return key == kExif || key == kRawExif || key == kXmp; }

/// tEXt: key 0 value. zTXt: key 0 method zlib. iTXt: key 0 is-packed method language 0 translated-key 0 value.
std::optional<Text> read_text(std::string_view type, std::string_view data) {
  const std::string_view key = take_word(data);
  if (!is_wanted(key)) return std::nullopt;
  if (type == "tEXt") return Text{key, std::string(data)};
  // Only in tEXt is that Exif: the other two hold text.
  if (key == kExif || data.size() < 2) return std::nullopt;
  if (type == "zTXt") return data[0] == 0 ? std::optional(Text{key, unpacked(data.substr(1))}) : std::nullopt;
  const bool is_packed = data[0] != 0;
  if (is_packed && data[1] != 0) return std::nullopt;
  data.remove_prefix(2);
  take_word(data);
  take_word(data);
  return Text{key, is_packed ? unpacked(data) : std::string(data)};
}

/// ImageMagick's profile: an empty line, its name, its length, then its bytes in hexadecimal digits.
std::string from_raw_profile(std::string_view text) {
  constexpr int kLinesBefore = 3;
  for (int i = 0; i < kLinesBefore; ++i) text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
  std::string bytes;
  int high = -1;
  for (const char c : text) {
    if (c == ' ' || (c >= '\t' && c <= '\r')) continue;
    const std::size_t digit = std::string_view("0123456789abcdefABCDEF").find(c);
    if (digit == std::string_view::npos) return {};
    const int value = static_cast<int>(digit < 16 ? digit : digit - 6);
    if (high >= 0) bytes += static_cast<char>(high * 16 + value);
    high = high >= 0 ? -1 : value;
  }
  return bytes;
}

}  // namespace

PictureMetadata png_metadata(Bytes png) {
  constexpr std::size_t kSignature = 8;
  constexpr std::size_t kFrame = 12;  // length, type and checksum around a chunk's data
  std::optional<std::string> exif;
  std::string raw;
  std::string xmp;
  std::size_t length = 0;
  for (std::size_t at = kSignature; at + kFrame <= png.size() && !has(png, at + 4, "IEND"); at += length + kFrame) {
    length = be32(png, at);
    const bool is_exif = has(png, at + 4, "eXIf");
    const bool is_text = has(png, at + 4, "tEXt") || has(png, at + 4, "zTXt") || has(png, at + 4, "iTXt");
    if (!is_exif && !is_text) continue;
    if (png_checksum(png.subspan(at + 4, length + 4)) != be32(png, at + 8 + length)) continue;
    const std::string_view chunk(reinterpret_cast<const char*>(png.data()) + at + 4, length + 4);
    if (is_exif) {
      exif = chunk.substr(4);
      continue;
    }
    std::optional<Text> text = read_text(chunk.substr(0, 4), chunk.substr(4));
    if (!text) continue;
    if (text->key == kExif) exif = std::move(text->value);
    if (text->key == kRawExif) raw = std::move(text->value);
    if (text->key == kXmp) xmp = std::move(text->value);
  }
  return {.exif = exif ? *std::move(exif) : from_raw_profile(raw), .xmp = std::move(xmp)};
}

}  // namespace vitq
