#pragma once
// Picture files made by hand, for the tests of decoding: small writers of PNG and BMP, and four JPEGs as bytes. None of
// them comes from vitq's own code, so a fault there cannot hide behind the same fault here.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vitq::test {

using Bytes = std::vector<std::uint8_t>;

inline Bytes bytes_of(std::string_view text) { return Bytes(text.begin(), text.end()); }

inline void append(Bytes& to, const Bytes& more) { to.insert(to.end(), more.begin(), more.end()); }

inline void append_be32(Bytes& to, std::uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) to.push_back(static_cast<std::uint8_t>(value >> shift));
}

inline void append_le(Bytes& to, std::uint32_t value, int size) {
  for (int i = 0; i < size; ++i) to.push_back(static_cast<std::uint8_t>(value >> 8 * i));
}

/// A JPEG segment: marker, length, data.
inline Bytes jpeg_segment(std::uint8_t marker, std::string_view data) {
  const std::size_t length = data.size() + 2;
  Bytes segment{0xFF, marker, static_cast<std::uint8_t>(length >> 8), static_cast<std::uint8_t>(length)};
  append(segment, bytes_of(data));
  return segment;
}

/// An Exif segment of one entry, an orientation unless the tag says otherwise; type 3 is a 16-bit number.
inline std::string exif(int orientation, int tag = 0x112, int type = 3) {
  Bytes bytes;
  append(bytes, {'E', 'x', 'i', 'f', 0, 0, 'M', 'M', 0, 42});
  append_be32(bytes, 8);
  for (const int number : {1, tag, type, 0, 1, orientation, 0, 0, 0}) {
    append(bytes, {static_cast<std::uint8_t>(number >> 8), static_cast<std::uint8_t>(number)});
  }
  return std::string(bytes.begin(), bytes.end());
}

/// A grey JPEG of one colour: of each block of 8 x 8 pixels two bits, 0 for no change and 0 for no detail.
inline Bytes flat_jpeg(int width, int height) {
  Bytes file{0xFF, 0xD8};
  append(file, jpeg_segment(0xDB, std::string(1, '\0') + std::string(64, '\1')));
  std::string frame{8};
  for (const int side : {height, width}) frame += {static_cast<char>(side >> 8), static_cast<char>(side)};
  append(file, jpeg_segment(0xC0, frame + std::string{1, 1, 0x11, 0}));
  for (const char table : {'\x00', '\x10'})
    append(file, jpeg_segment(0xC4, std::string{table, 1} + std::string(16, '\0')));
  append(file, jpeg_segment(0xDA, std::string{1, 1, 0, 0, 63, 0}));
  const std::size_t blocks = ((width + 7) / 8) * static_cast<std::size_t>((height + 7) / 8);
  file.insert(file.end(), (2 * blocks + 7) / 8, 0);
  append(file, {0xFF, 0xD9});
  return file;
}

/// A PNG chunk: length, type, data, CRC-32 of type and data (bit by bit).
inline Bytes png_chunk(std::string_view type, const Bytes& data) {
  Bytes chunk;
  append_be32(chunk, static_cast<std::uint32_t>(data.size()));
  append(chunk, bytes_of(type));
  append(chunk, data);
  std::uint32_t crc = ~0U;
  for (std::size_t i = 4; i < chunk.size(); ++i) {
    crc ^= chunk[i];
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1U) != 0 ? crc >> 1 ^ 0xEDB88320U : crc >> 1;
  }
  append_be32(chunk, ~crc);
  return chunk;
}

inline Bytes png_header(std::uint32_t width, std::uint32_t height, int depth, int color) {
  Bytes data;
  append_be32(data, width);
  append_be32(data, height);
  for (const int value : {depth, color, 0, 0, 0}) data.push_back(static_cast<std::uint8_t>(value));
  return png_chunk("IHDR", data);
}

/// Rows of equal length, each behind filter byte 0, as one stored deflate block.
inline Bytes png_pixels(const std::vector<Bytes>& rows) {
  Bytes raw;
  for (const Bytes& row : rows) {
    raw.push_back(0);
    append(raw, row);
  }
  Bytes zlib{0x78, 0x01, 0x01};
  append_le(zlib, static_cast<std::uint32_t>(raw.size()), 2);
  append_le(zlib, static_cast<std::uint32_t>(~raw.size()), 2);
  append(zlib, raw);
  std::uint32_t a = 1;
  std::uint32_t b = 0;
  for (const std::uint8_t byte : raw) {
    a = (a + byte) % 65521;
    b = (b + a) % 65521;
  }
  append_be32(zlib, b << 16 | a);
  return png_chunk("IDAT", zlib);
}

inline Bytes png_file(const std::vector<Bytes>& chunks) {
  Bytes file = bytes_of("\x89PNG\r\n\x1A\n");
  for (const Bytes& chunk : chunks) append(file, chunk);
  return file;
}

inline Bytes png(std::uint32_t width, int depth, int color, const std::vector<Bytes>& rows) {
  return png_file({png_header(width, static_cast<std::uint32_t>(rows.size()), depth, color), png_pixels(rows),
                   png_chunk("IEND", {})});
}

/// A BMP with the 40-byte header; `palette` is [entries, 4] in the order blue, green, red, 0; rows are as in the file.
inline Bytes bmp(int width, int height, int bits, const Bytes& palette, const std::vector<Bytes>& rows,
                 std::uint32_t compression = 0) {
  Bytes file = bytes_of("BM");
  append_le(file, 0, 4);
  append_le(file, 0, 4);
  append_le(file, static_cast<std::uint32_t>(54 + palette.size()), 4);
  append_le(file, 40, 4);
  append_le(file, static_cast<std::uint32_t>(width), 4);
  append_le(file, static_cast<std::uint32_t>(height), 4);
  append_le(file, 1, 2);
  append_le(file, static_cast<std::uint32_t>(bits), 2);
  append_le(file, compression, 4);
  for (int i = 0; i < 5; ++i) append_le(file, 0, 4);
  append(file, palette);
  for (const Bytes& row : rows) append(file, row);
  return file;
}

inline Bytes from_hex(std::string_view hex) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  Bytes bytes;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes.push_back(static_cast<std::uint8_t>(digit(hex[i]) * 16 + digit(hex[i + 1])));
  }
  return bytes;
}

// Written by Pillow 9.4 (libjpeg-turbo): baseline and progressive, 16 x 16 of the colour (200, 60, 30), which Pillow
// reads back as (199, 60, 29); grey, 16 x 8, left half black and right half white; CMYK with Adobe's mark, 8 x 8 of
// pure red.
inline constexpr std::string_view kBaselineJpeg =
    "ffd8ffe000104a46494600010100000100010000ffdb0043000302020302020303030304030304050805050404050a070706080c0a0c"
    "0c0b0a0b0b0d0e12100d0e110e0b0b1016101113141515150c0f171816141812141514ffdb00430103040405040509050509140d0b0d"
    "1414141414141414141414141414141414141414141414141414141414141414141414141414141414141414141414141414ffc00011"
    "080010001003012200021101031101ffc4001500010100000000000000000000000000000007ffc40014100100000000000000000000"
    "000000000000ffc4001501010100000000000000000000000000000708ffc40014110100000000000000000000000000000000ffda00"
    "0c03010002110311003f00978017580fffd9";

inline constexpr std::string_view kProgressiveJpeg =
    "ffd8ffe000104a46494600010100000100010000ffdb0043000302020302020303030304030304050805050404050a070706080c0a0c"
    "0c0b0a0b0b0d0e12100d0e110e0b0b1016101113141515150c0f171816141812141514ffdb00430103040405040509050509140d0b0d"
    "1414141414141414141414141414141414141414141414141414141414141414141414141414141414141414141414141414ffc20011"
    "080010001003012200021101031101ffc4001500010100000000000000000000000000000006ffc40015010101000000000000000000"
    "00000000000607ffda000c030100021003100000019702ec1fffc40014100100000000000000000000000000000020ffda0008010100"
    "0105021fffc40014110100000000000000000000000000000000ffda0008010301013f017fffc4001411010000000000000000000000"
    "0000000000ffda0008010201013f017fffc40014100100000000000000000000000000000020ffda0008010100063f021fffc4001410"
    "0100000000000000000000000000000020ffda0008010100013f211fffda000c0301000200030000001003ffc4001411010000000000"
    "0000000000000000000000ffda0008010301013f107fffc40014110100000000000000000000000000000000ffda0008010201013f10"
    "7fffc40014100100000000000000000000000000000020ffda0008010100013f101fffd9";

inline constexpr std::string_view kGreyJpeg =
    "ffd8ffe000104a46494600010100000100010000ffdb0043000302020302020303030304030304050805050404050a070706080c0a0c"
    "0c0b0a0b0b0d0e12100d0e110e0b0b1016101113141515150c0f171816141812141514ffc0000b080008001001011100ffc400150001"
    "010000000000000000000000000000090affc40014100100000000000000000000000000000000ffda0008010100003f002a9550ffd9";

inline constexpr std::string_view kCmykJpeg =
    "ffd8ffee000e41646f626500640000000000ffdb0043000302020302020303030304030304050805050404050a070706080c0a0c0c0b"
    "0a0b0b0d0e12100d0e110e0b0b1016101113141515150c0f171816141812141514ffc000140800080008044311004d11005911004b11"
    "00ffc40014000100000000000000000000000000000009ffc40014100100000000000000000000000000000000ffda000e0443004d00"
    "59004b00003f0054c550aa2a6fffd9";

}  // namespace vitq::test
