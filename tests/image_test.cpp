// Decoding: every kind of picture that is read, and every way in which one is refused.

#include "vitq/image.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include "engine/error.h"
#include "tests/picture_bytes.h"
#include "tests/temporary_folder.h"

namespace {

using vitq::decode_image;
using vitq::Image;
using vitq::test::Bytes;
using vitq::test::bytes_of;

/// The message with which `bytes` are refused; fails the test if they are not.
std::string refusal(const Bytes& bytes) {
  try {
    const Image image = decode_image(bytes, "cat.jpg");
    FAIL("decoded to ", image.width, " x ", image.height);
  } catch (const vitq::Error& error) {
    return error.what();
  }
  return {};
}

std::string load_refusal(const std::filesystem::path& path) {
  try {
    vitq::load_image(path);
    FAIL("loaded");
  } catch (const vitq::Error& error) {
    return error.what();
  }
  return {};
}

void check_refused(const Bytes& bytes, const std::string& because) {
  const std::string message = refusal(bytes);
  CAPTURE(message);
  CAPTURE(because);
  CHECK(message.starts_with("cat.jpg: "));
  CHECK(message.find(because) != std::string::npos);
  CHECK(message.find('\n') == std::string::npos);
}

void check_pixels(const Bytes& file, int width, int height, const Bytes& rgb) {
  const Image image = decode_image(file, "x");
  CHECK(image.width == width);
  CHECK(image.height == height);
  CHECK(image.rgb == rgb);
}

/// Every pixel within `tolerance` of the colour.
void check_color(const Image& image, const Bytes& color, int tolerance) {
  REQUIRE(image.rgb.size() == static_cast<std::size_t>(image.width) * image.height * 3);
  int worst = 0;
  for (std::size_t i = 0; i < image.rgb.size(); ++i) worst = std::max(worst, std::abs(image.rgb[i] - color[i % 3]));
  CHECK(worst <= tolerance);
}

/// Position of the first marker FF `code` in a JPEG.
std::size_t marker(const Bytes& jpeg, std::uint8_t code) {
  const Bytes wanted{0xFF, code};
  const auto found = std::search(jpeg.begin(), jpeg.end(), wanted.begin(), wanted.end());
  REQUIRE(found != jpeg.end());
  return static_cast<std::size_t>(found - jpeg.begin());
}

Bytes first(const Bytes& bytes, std::size_t count) { return Bytes(bytes.begin(), bytes.begin() + count); }

Bytes joined(const std::vector<Bytes>& parts) {
  Bytes whole;
  for (const Bytes& part : parts) vitq::test::append(whole, part);
  return whole;
}

const Bytes kBaseline = vitq::test::from_hex(vitq::test::kBaselineJpeg);
const Bytes kProgressive = vitq::test::from_hex(vitq::test::kProgressiveJpeg);
const Bytes kGrey = vitq::test::from_hex(vitq::test::kGreyJpeg);
const Bytes kCmyk = vitq::test::from_hex(vitq::test::kCmykJpeg);

std::string_view text_of(const Bytes& bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

}  // namespace

TEST_CASE("decode: JPEG baseline and progressive and grey and CMYK") {
  for (const Bytes& file : {kBaseline, kProgressive}) {
    const Image image = decode_image(file, "x");
    CHECK(image.width == 16);
    CHECK(image.height == 16);
    check_color(image, {199, 60, 29}, 2);
  }
  const Image grey = decode_image(kGrey, "x");
  CHECK(grey.width == 16);
  CHECK(grey.height == 8);
  for (int y = 0; y < 8; ++y) {
    for (int x = 0; x < 16; ++x) {
      for (int c = 0; c < 3; ++c) CHECK(grey.rgb[(y * 16 + x) * 3 + c] == (x < 8 ? 0 : 255));
    }
  }
  check_color(decode_image(kCmyk, "x"), {255, 0, 0}, 1);
}

TEST_CASE("decode: bytes behind a JPEG, or before its end marker, do no harm") {
  // What phones write there is data of their own: a video, a second picture, a block with their names in it.
  const Bytes rubbish = bytes_of("rubbish");
  const Bytes phone = bytes_of("\x00\x01\n\x0EImage_UTC_Data0000000000000SEFH" + std::string(4000, 'j') + "SEFT");
  const Bytes zeros(4096, 0);
  for (const Bytes& file : {kBaseline, kProgressive, kGrey, kCmyk}) {
    const Bytes pixels = decode_image(file, "x").rgb;
    const Bytes open_end = first(file, file.size() - 2);
    for (const Bytes& more : {rubbish, phone, zeros, file})
      CHECK(decode_image(joined({file, more}), "x").rgb == pixels);
    for (const Bytes& more : {rubbish, phone, zeros}) {
      CHECK(decode_image(joined({open_end, more}), "x").rgb == pixels);
      CHECK(decode_image(joined({open_end, more, {0xFF, 0xD9}}), "x").rgb == pixels);
    }
  }
}

TEST_CASE("decode: a JPEG without its end marker, or with half of it") {
  for (const Bytes& file : {kBaseline, kProgressive, kGrey, kCmyk}) {
    const Bytes pixels = decode_image(file, "x").rgb;
    CHECK(decode_image(first(file, file.size() - 1), "x").rgb == pixels);
    CHECK(decode_image(first(file, file.size() - 2), "x").rgb == pixels);
  }
}

TEST_CASE("decode: PNG of every colour type") {
  using vitq::test::png;
  check_pixels(png(2, 8, 2, {{1, 2, 3, 4, 5, 6}, {7, 8, 9, 10, 11, 12}}), 2, 2,
               {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
  check_pixels(png(2, 8, 0, {{7, 250}}), 2, 1, {7, 7, 7, 250, 250, 250});
  // Alpha is dropped, as by Pillow's convert("RGB"): what lies under a transparent pixel shows.
  check_pixels(png(2, 8, 6, {{1, 2, 3, 0, 4, 5, 6, 128}}), 2, 1, {1, 2, 3, 4, 5, 6});
  check_pixels(png(2, 8, 4, {{9, 0, 8, 255}}), 2, 1, {9, 9, 9, 8, 8, 8});
  // Of 16 bits the upper 8 are kept.
  check_pixels(png(1, 16, 2, {{0x12, 0xFF, 0x34, 0x00, 0x56, 0x80}}), 1, 1, {0x12, 0x34, 0x56});
  check_pixels(png(2, 16, 0, {{0xAB, 0xCD, 0x00, 0xFF}}), 2, 1, {0xAB, 0xAB, 0xAB, 0, 0, 0});
  check_pixels(png(3, 1, 0, {{0xA0}}), 3, 1, {255, 255, 255, 0, 0, 0, 255, 255, 255});
  check_pixels(png(2, 4, 0, {{0x1F}}), 2, 1, {17, 17, 17, 255, 255, 255});
}

TEST_CASE("decode: PNG with a palette and transparent entries") {
  using namespace vitq::test;
  const Bytes file = png_file({png_header(3, 1, 2, 3), png_chunk("PLTE", {10, 20, 30, 40, 50, 60, 70, 80, 90}),
                               png_chunk("tRNS", {0, 128}), png_pixels({{0x18}}), png_chunk("IEND", {})});
  check_pixels(file, 3, 1, {10, 20, 30, 40, 50, 60, 70, 80, 90});
}

TEST_CASE("decode: BMP of 24 and 32 and 8 bits and from the top") {
  using vitq::test::bmp;
  const Bytes upper{3, 2, 1, 6, 5, 4, 0, 0};  // blue, green, red, padded to four bytes
  const Bytes lower{9, 8, 7, 12, 11, 10, 0, 0};
  const Bytes rgb{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  check_pixels(bmp(2, 2, 24, {}, {lower, upper}), 2, 2, rgb);
  check_pixels(bmp(2, -2, 24, {}, {upper, lower}), 2, 2, rgb);
  check_pixels(bmp(1, 1, 32, {}, {{3, 2, 1, 77}}), 1, 1, {1, 2, 3});
  check_pixels(bmp(2, 1, 8, {3, 2, 1, 0, 6, 5, 4, 0}, {{1, 0, 0, 0}}), 2, 1, {4, 5, 6, 1, 2, 3});
}

TEST_CASE("decode: PGM and PPM of 8 and 16 bits") {
  check_pixels(bytes_of("P6 1 2 255\nabcdef"), 1, 2, bytes_of("abcdef"));
  check_pixels(bytes_of("P5\n# made by hand\n2 1\n255\nab"), 2, 1, bytes_of("aaabbb"));
  check_pixels({'P', '5', ' ', '3', ' ', '1', ' ', '1', '5', '\n', 0, 15, 5}, 3, 1,
               {0, 0, 0, 255, 255, 255, 85, 85, 85});
  check_pixels({'P', '5', ' ', '2', ' ', '1', ' ', '6', '5', '5', '3', '5', '\n', 0xFF, 0xFF, 0x80, 0x80}, 2, 1,
               {255, 255, 255, 128, 128, 128});
}

TEST_CASE("refuse: nothing and text and unknown bytes") {
  check_refused({}, "is empty");
  check_refused(bytes_of("hello, I am not a picture\n"), "is a text file, not a picture");
  check_refused({0, 1, 2, 3}, "not a picture that vitq knows");
  check_refused({0xFF}, "not a picture that vitq knows");
}

TEST_CASE("refuse: other formats are named") {
  using namespace std::string_literals;
  check_refused(bytes_of("RIFF\x10\0\0\0WEBPVP8 "s),
                "is a WebP picture; vitq reads JPEG, PNG, BMP and PPM: convert it");
  check_refused(bytes_of("GIF89a\1\0\1\0"s), "is a GIF picture");
  check_refused(bytes_of("II*\0\x08\0\0\0"s), "is a TIFF picture");
  check_refused(bytes_of("MM\0*\0\0\0\x08"s), "is a TIFF picture");
  check_refused(bytes_of("\0\0\0\x1C"
                         "ftypavif\0\0\0\0"s),
                "is an AVIF picture");
  check_refused(bytes_of("\0\0\0\x18"
                         "ftypheic\0\0\0\0"s),
                "is a HEIC picture");
  check_refused(bytes_of("\0\0\0\x0CJXL \r\n\x87\n"s), "is a JPEG XL picture");
  check_refused(bytes_of("\0\0\0\x0CjP  \r\n\x87\n"s), "is a JPEG 2000 picture");
  check_refused(bytes_of("P3 1 1 255 1 2 3\n"), "is a text or one-bit PNM picture");
  check_refused(bytes_of("%PDF-1.7\n"), "is a PDF document");
  check_refused(bytes_of("<!DOCTYPE html><title>404</title>"), "is a web page");
  check_refused(bytes_of("version https://git-lfs.github.com/spec/v1\n"), "is a Git LFS pointer");
}

TEST_CASE("refuse: a JPEG cut anywhere before its end marker") {
  for (const Bytes& file : {kBaseline, kProgressive, kGrey, kCmyk}) {
    for (std::size_t length = 2; length < file.size() - 2; ++length) check_refused(first(file, length), "is cut off");
  }
}

TEST_CASE("refuse: a JPEG whose rows are missing before its end marker") {
  Bytes tall = kGrey;
  tall[marker(kGrey, 0xC0) + 6] = 64;  // rows; there are data for eight
  check_refused(tall, "is cut off");
  check_refused(joined({first(tall, tall.size() - 2), kGrey}), "is cut off");
}

TEST_CASE("refuse: a progressive JPEG that ends between two scans, without an end marker") {
  const Bytes end = {0xFF, 0xD9};
  std::size_t scans = 0;
  for (std::size_t at = 0; at + 1 < kProgressive.size(); ++at) {
    const bool is_tables = kProgressive[at] == 0xFF && kProgressive[at + 1] == 0xC4;
    if (!is_tables || at < marker(kProgressive, 0xDA)) continue;
    ++scans;
    check_refused(first(kProgressive, at), "is cut off");
    // With the marker it is a picture that was meant to be coarse.
    CHECK(decode_image(joined({first(kProgressive, at), end}), "x").width == 16);
  }
  CHECK(scans > 5);
}

TEST_CASE("decode: a JPEG above the limit of pixels at a part of its sides, where that is enough") {
  const Bytes huge = vitq::test::flat_jpeg(12000, 9001);
  check_refused(huge, "is too large: 12000 x 9001 pixels");
  const Image half = decode_image(huge, "x", {.least_side = 4501});
  CHECK(half.reduction == 2);
  CHECK(half.width == 6000);
  CHECK(half.height == 4501);
  CHECK(std::ranges::all_of(half.rgb, [](std::uint8_t value) { return value == 128; }));
  CHECK_THROWS_AS(decode_image(huge, "x", {.least_side = 4502}), vitq::Error);
  CHECK_THROWS_AS(decode_image(vitq::test::flat_jpeg(40000, 30000), "x", {.least_side = 1}), vitq::Error);
  // All others are decoded whole.
  CHECK(decode_image(kBaseline, "x", {.least_side = 1}).width == 16);
  CHECK(decode_image(kBaseline, "x", {.least_side = 1}).reduction == 1);
}

TEST_CASE("refuse: a JPEG of a kind that is not read") {
  const std::size_t frame = marker(kBaseline, 0xC0);
  const auto with = [&](std::size_t at, std::uint8_t value) {
    Bytes file = kBaseline;
    file[at] = value;
    return file;
  };
  check_refused(with(frame + 1, 0xC3), "(lossless), which vitq cannot read: convert it");
  check_refused(with(frame + 1, 0xC9), "(arithmetic-coded)");
  check_refused(with(frame + 1, 0xC5), "(hierarchical)");
  check_refused(with(frame + 4, 12), "is a 12-bit JPEG");
  Bytes unmarked = kCmyk;
  unmarked[marker(kCmyk, 0xEE) + 4] = 'X';  // no longer "Adobe"
  check_refused(unmarked, "four-channel JPEG without Adobe's colour mark");
}

TEST_CASE("refuse: a JPEG with lying dimensions") {
  const std::size_t frame = marker(kBaseline, 0xC0);
  const auto claiming = [&](int width, int height) {
    Bytes file = kBaseline;
    file[frame + 5] = static_cast<std::uint8_t>(height >> 8);
    file[frame + 6] = static_cast<std::uint8_t>(height);
    file[frame + 7] = static_cast<std::uint8_t>(width >> 8);
    file[frame + 8] = static_cast<std::uint8_t>(width);
    return file;
  };
  check_refused(claiming(65535, 65535), "is too large: 65535 x 65535 pixels");
  check_refused(claiming(10000, 10000), "it claims 10000 x 10000 pixels");
  check_refused(claiming(0, 16), "it claims 0 x 16 pixels");
  check_refused(claiming(16, 0), "it claims 16 x 0 pixels");
}

TEST_CASE("refuse: a damaged JPEG") {
  // Counts that add up to more codes than a table may have.
  Bytes overfull = kBaseline;
  const std::size_t table = marker(kBaseline, 0xC4);
  std::fill_n(overfull.begin() + table + 5, 16, 255);
  check_refused(overfull, "a Huffman table of 4080 codes");

  Bytes cut_table = kBaseline;
  cut_table[table + 5 + 15] = 200;
  check_refused(cut_table, "a Huffman table is cut off");

  Bytes many_scans = first(kProgressive, kProgressive.size() - 2);
  const std::size_t scan = marker(kProgressive, 0xDA);
  const Bytes header(kProgressive.begin() + scan, kProgressive.begin() + scan + 14);
  for (int i = 0; i < 200; ++i) vitq::test::append(many_scans, header);
  vitq::test::append(many_scans, {0xFF, 0xD9});
  check_refused(many_scans, "more than 128 scans");

  check_refused({0xFF, 0xD8, 0xFF, 0xD9}, "no pixels in it");
  check_refused({0xFF, 0xD8, 0xFF, 0xE0, 0x00, 0x01, 0xFF, 0xD9}, "a segment of length 1");

  Bytes bad_table_number = kBaseline;
  bad_table_number[marker(kBaseline, 0xDA) + 6] = 0x77;
  check_refused(bad_table_number, "its data do not decode (");
}

TEST_CASE("damage: a JPEG or BMP with any bit flipped is refused or a picture of its claimed size") {
  const Bytes small_bmp = vitq::test::bmp(2, 1, 8, {3, 2, 1, 0, 6, 5, 4, 0}, {{1, 0, 0, 0}});
  int refused = 0;
  for (const Bytes& file : {kBaseline, kProgressive, kGrey, kCmyk, small_bmp}) {
    for (std::size_t bit = 0; bit < file.size() * 8; ++bit) {
      Bytes flipped = file;
      flipped[bit / 8] = static_cast<std::uint8_t>(flipped[bit / 8] ^ 1U << bit % 8);
      try {
        const Image image = decode_image(flipped, "x");
        REQUIRE(image.rgb.size() == static_cast<std::size_t>(image.width) * image.height * 3);
      } catch (const vitq::Error&) {
        ++refused;
      }
    }
  }
  CHECK(refused > 1000);
}

TEST_CASE("refuse: a PNG cut anywhere") {
  const Bytes file = vitq::test::png(2, 8, 2, {{1, 2, 3, 4, 5, 6}, {7, 8, 9, 10, 11, 12}});
  for (std::size_t length = 8; length < file.size(); ++length) check_refused(first(file, length), "is cut off");
  check_refused(first(file, 5), "not a picture that vitq knows");
}

TEST_CASE("refuse: a PNG with any bit flipped") {
  const Bytes file = vitq::test::png(2, 8, 2, {{1, 2, 3, 4, 5, 6}, {7, 8, 9, 10, 11, 12}});
  for (std::size_t i = 0; i < file.size(); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      Bytes flipped = file;
      flipped[i] = static_cast<std::uint8_t>(flipped[i] ^ 1U << bit);
      CHECK_THROWS_AS(decode_image(flipped, "x"), vitq::Error);
    }
  }
}

TEST_CASE("refuse: a PNG that claims too much") {
  using namespace vitq::test;
  const auto claiming = [](std::uint32_t width, std::uint32_t height) {
    return png_file({png_header(width, height, 8, 2), png_pixels({{1, 2, 3}}), png_chunk("IEND", {})});
  };
  check_refused(claiming(60000, 60000), "is too large: 60000 x 60000 pixels, the limits are");
  check_refused(claiming(0xFFFFFFFF, 1), "is too large");
  check_refused(claiming(9000, 9000), "it claims 9000 x 9000 pixels");
  check_refused(claiming(0, 1), "it claims 0 x 1 pixels");
  check_refused(claiming(2, 2), "its data do not decode (not enough pixels)");
}

TEST_CASE("refuse: a PNG with chunks amiss") {
  using namespace vitq::test;
  const Bytes header = png_header(1, 1, 8, 2);
  const Bytes pixels = png_pixels({{1, 2, 3}});
  const Bytes end = png_chunk("IEND", {});
  check_refused(png_file({pixels, end}), "does not begin with its header");
  check_refused(png_file({header, end}), "no pixels in it");
  check_refused(png_file({header, header, pixels, end}), "multiple IHDR");
  check_refused(png_file({header, png_chunk("ABCD", {}), pixels, end}), "an unknown critical chunk");
  check_refused(png_file({png_header(1, 1, 8, 5), pixels, end}), "unknown colour type 5");
  check_refused(png_file({png_header(1, 1, 8, 3), pixels, end}), "no PLTE");
  check_refused(png_file({header, png_chunk("IDAT", {0x78, 0x01, 0xFF, 0xFF}), end}), "its data do not decode");
}

TEST_CASE("refuse: BMP cut or damaged or of a kind that is not read") {
  using vitq::test::bmp;
  const Bytes row{3, 2, 1, 6, 5, 4, 0, 0};
  const Bytes file = bmp(2, 2, 24, {}, {row, row});
  for (std::size_t length = 2; length < file.size(); ++length) check_refused(first(file, length), "is cut off");
  check_refused(bmp(60000, 60000, 24, {}, {row}), "is too large");
  check_refused(bmp(9000, 9000, 24, {}, {row}), "is cut off");
  check_refused(bmp(2, INT32_MIN, 24, {}, {row}), "is too large");
  check_refused(bmp(-2, 2, 24, {}, {row, row}), "it claims -2 x 2 pixels");
  check_refused(bmp(0, 2, 24, {}, {row, row}), "it claims 0 x 2 pixels");
  check_refused(bmp(2, 2, 8, {}, {row, row}, 1), "is a compressed BMP");
  check_refused(bmp(2, 2, 7, {}, {row, row}), "is a BMP of 7 bits a pixel");
  Bytes old = file;
  old[14] = 12;
  check_refused(old, "is a BMP with a header of 12 bytes");
  Bytes overlapping = file;
  overlapping[10] = 20;
  check_refused(overlapping, "its pixels overlap its header");
}

TEST_CASE("refuse: PPM cut or damaged") {
  check_refused(bytes_of("P6"), "expected a number at byte 2");
  check_refused(bytes_of("P6 two 1 255 abc"), "expected a number");
  check_refused(bytes_of("P6 1 1 255"), "no pixels behind its header");
  check_refused(bytes_of("P6 2 1 255 abc"), "is cut off: 2 x 1 pixels take 6 bytes, the file holds 3");
  check_refused(bytes_of("P6 1 1 70000 abc"), "maximum value 70000");
  check_refused(bytes_of("P6 1 1 0 abc"), "maximum value 0");
  check_refused(bytes_of("P6 0 1 255 abc"), "it claims 0 x 1 pixels");
  check_refused(bytes_of("P6 99999999999999999999 1 255 abc"), "is too large");
  check_refused(bytes_of("P6 60000 60000 255 abc"), "is too large");
}

TEST_CASE("load: a file and its bytes give the same picture") {
  const vitq::test::TemporaryFolder folder;
  const Image image = vitq::load_image(folder.write("red.jpg", text_of(kBaseline)));
  CHECK(image.rgb == decode_image(kBaseline, "x").rgb);
}

TEST_CASE("load: what is not a picture file is refused by name") {
  const vitq::test::TemporaryFolder folder;
  const std::filesystem::path missing = folder.path() / "missing.jpg";
  CHECK(load_refusal(missing) == missing.string() + ": there is no such file; expected a picture");
  CHECK(load_refusal(folder.path() / "no" / "such.jpg").ends_with("there is no such file; expected a picture"));
  CHECK(load_refusal(folder.path()).ends_with("is a directory; expected a picture file"));
  CHECK(load_refusal("/dev/null").ends_with("is not a regular file; expected a picture file"));
  const std::filesystem::path empty = folder.write("empty.jpg", "");
  CHECK(load_refusal(empty).starts_with(empty.string() + ": is empty"));
  const std::filesystem::path huge = folder.write("huge.jpg", "x");
  std::filesystem::resize_file(huge, vitq::kMaxImageFileBytes + 1);  // a hole: it takes no space
  CHECK(load_refusal(huge).find("is too large for a picture") != std::string::npos);
  const std::filesystem::path beneath = folder.write("file", "x") / "beneath.jpg";
  CHECK(load_refusal(beneath).find(beneath.string()) == 0);
}

TEST_CASE("load: a file without permission is refused") {
  const vitq::test::TemporaryFolder folder;
  const std::filesystem::path closed = folder.write("closed.jpg", text_of(kBaseline));
  std::filesystem::permissions(closed, std::filesystem::perms::none);
  if (geteuid() == 0) {
    std::cout << "SKIPPED: root may read every file\n";
    return;
  }
  CHECK(load_refusal(closed).ends_with("cannot be opened: Permission denied"));
}
