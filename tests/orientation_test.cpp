// Which way up: as Pillow's exif_transpose, byte for byte, on the pictures of make_orientation_references.py; and
// metadata that are damaged or mean harm.

#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/picture_bytes.h"
#include "vitq/image.h"

namespace {

namespace fs = std::filesystem;
using vitq::decode_image;
using vitq::Image;
using vitq::load_image;
using vitq::test::Bytes;
using namespace std::string_literals;

const fs::path kFolder = fs::path(VITQ_REFERENCES) / "orientation";

std::vector<fs::path> pictures() {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(kFolder)) {
    if (entry.path().extension() != ".ppm") found.push_back(entry.path());
  }
  return found;
}

const Bytes kUpright = vitq::test::from_hex(vitq::test::kGreyJpeg);  // 16 x 8, its left half black

/// kUpright with these segments APP1.
Bytes with_app1(const std::vector<std::string>& segments) {
  Bytes file(kUpright.begin(), kUpright.begin() + 2);
  for (const std::string& segment : segments) vitq::test::append(file, vitq::test::jpeg_segment(0xE1, segment));
  file.insert(file.end(), kUpright.begin() + 2, kUpright.end());
  return file;
}

void check_not_turned(const std::vector<std::string>& segments) {
  CHECK(decode_image(with_app1(segments), "x").rgb == decode_image(kUpright, "x").rgb);
}

bool is_on_its_side(const std::vector<std::string>& segments) {
  const Image image = decode_image(with_app1(segments), "x");
  return image.width == 8 && image.height == 16;
}

const std::string kOnItsSide = vitq::test::exif(6);

}  // namespace

TEST_CASE("orientation: all eight in JPEG and PNG are Pillow's to the byte") {
  CHECK(pictures().size() == 24);
  for (const fs::path& path : pictures()) {
    CAPTURE(path.filename().string());
    const Image found = load_image(path);
    const Image expected = load_image(path.string() + ".ppm");
    CHECK(found.width == expected.width);
    CHECK(found.height == expected.height);
    CHECK(found.rgb == expected.rgb);
  }
}

TEST_CASE("orientation: a picture can be had as it is stored") {
  for (const fs::path& path : pictures()) {
    CAPTURE(path.filename().string());
    const Image stored = load_image(kFolder / ("exif_1" + path.extension().string()));
    const Image found = load_image(path, {.apply_orientation = false});
    CHECK(found.width == stored.width);
    CHECK(found.rgb == stored.rgb);
  }
}

TEST_CASE("orientation: Exif in two segments is put together, and the last XMP counts") {
  CHECK(is_on_its_side({kOnItsSide}));
  CHECK(is_on_its_side({kOnItsSide.substr(0, 20), "Exif\0\0"s + kOnItsSide.substr(20)}));
  CHECK(is_on_its_side({kOnItsSide, vitq::test::exif(1)}));
  check_not_turned({vitq::test::exif(1), kOnItsSide});
  const std::string xmp = "http://ns.adobe.com/xap/1.0/\0<x tiff:Orientation=\"6\"/>"s;
  CHECK(is_on_its_side({"http://ns.adobe.com/xap/1.0/\0<x tiff:Orientation=\"1\"/>"s, xmp}));
  check_not_turned({vitq::test::exif(1), xmp});
  CHECK(is_on_its_side({vitq::test::exif(6, 0x110), xmp}));
}

TEST_CASE("orientation: what is no orientation turns nothing") {
  for (const int number : {0, 9, 255, 65535}) check_not_turned({vitq::test::exif(number)});
  for (const int type : {0, 1, 2, 5, 7, 11, 12, 14, 15, 17, 65535})
    check_not_turned({vitq::test::exif(6, 0x112, type)});
  check_not_turned({"http://ns.adobe.com/xap/1.0/\0tiff:Orientation=\"x\" tiff:Orientation"s});
}

TEST_CASE("orientation: damaged Exif turns nothing and harms nothing") {
  for (std::size_t length = 0; length < kOnItsSide.size() - 8; ++length) {
    CAPTURE(length);
    check_not_turned({kOnItsSide.substr(0, length)});
  }
  const auto with = [&](std::size_t at, const std::string& bytes) {
    return "Exif\0\0"s + std::string(kOnItsSide.substr(6)).replace(at, bytes.size(), bytes);
  };
  check_not_turned({with(0, "II")});                                     // the other byte order
  check_not_turned({with(0, "XX")});                                     // none
  check_not_turned({with(4, "\xFF\xFF\xFF\xFF")});                       // the directory lies far behind the end
  check_not_turned({with(4, "\0\0\0\0"s)});                              // in its own header
  check_not_turned({with(14, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF")});      // so many values, and so far away
  CHECK(is_on_its_side({with(8, "\xFF\xFF")}));                          // more entries than there are
  CHECK(is_on_its_side({with(kOnItsSide.size() - 10, "\0\0\0\x08"s)}));  // the next directory is this one again
}

TEST_CASE("orientation: texts of a PNG that do not unpack, or have a wrong checksum, turn nothing") {
  using namespace vitq::test;
  const auto with = [](Bytes chunk) {
    return png_file({png_header(2, 1, 8, 0), std::move(chunk), png_pixels({{7, 250}}), png_chunk("IEND", {})});
  };
  const Bytes plain{7, 7, 7, 250, 250, 250};
  const std::string tiff = kOnItsSide.substr(6);
  CHECK(decode_image(with(png_chunk("eXIf", bytes_of(tiff))), "x").height == 2);
  Bytes damaged = png_chunk("eXIf", bytes_of(tiff));
  damaged.back() ^= 1;
  CHECK(decode_image(with(damaged), "x").rgb == plain);
  const std::vector<std::pair<std::string, std::string>> texts = {
      {"tEXt", "Raw profile type exif"},
      {"tEXt", "Raw profile type exif\0"s},
      {"tEXt", "Raw profile type exif\0\nexif\n8\n4d4d0x"s},
      {"zTXt", "Raw profile type exif\0\0no zlib"s},
      {"zTXt", "XML:com.adobe.xmp\0\1"s},
      {"iTXt", "XML:com.adobe.xmp\0\1"s},
      {"iTXt", "XML:com.adobe.xmp\0\1\0\0\0x\x9C"s},
      {"iTXt", "XML:com.adobe.xmp\0\0\0en"s},
  };
  for (const auto& text : texts) {
    CAPTURE(text.second);
    CHECK(decode_image(with(png_chunk(text.first, bytes_of(text.second))), "x").rgb == plain);
  }
}
