// Resize and crop against torchvision and Pillow, byte for byte, on the twelve references of shared/golden/preprocess.

#include <doctest/doctest.h>

#include <iostream>
#include <string>

#include "engine/picture/resize.h"
#include "tests/shared_folder.h"

namespace {

void check_reference(const std::string& picture) {
  const auto shared = vitq::test::shared_folder();
  if (!shared) {
    std::cout << "SKIPPED: no shared folder with golden/preprocess\n";
    return;
  }
  const std::filesystem::path folder = *shared / "golden" / "preprocess";
  const vitq::Image source = vitq::load_image(folder / (picture + ".png"));
  for (const int resize : {248, 256}) {
    CAPTURE(resize);
    const vitq::Image expected =
        vitq::load_image(folder / (picture + ".resize" + std::to_string(resize) + "_crop224.png"));
    REQUIRE(expected.width == 224);
    REQUIRE(expected.height == 224);
    CHECK(vitq::resize_and_crop(source, resize, 224).rgb == expected.rgb);
    CHECK(vitq::center_crop(vitq::resize_short_side(source, resize), 224).rgb == expected.rgb);
  }
}

}  // namespace

TEST_CASE("golden: preprocess exact") { check_reference("exact"); }
TEST_CASE("golden: preprocess odd") { check_reference("odd"); }
TEST_CASE("golden: preprocess photo_a") { check_reference("photo_a"); }
TEST_CASE("golden: preprocess portrait") { check_reference("portrait"); }
TEST_CASE("golden: preprocess small") { check_reference("small"); }
TEST_CASE("golden: preprocess wide") { check_reference("wide"); }
