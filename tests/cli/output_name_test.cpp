// Files that are written: whatever legal name they have, and refused before the work where they cannot be.
#include <doctest/doctest.h>

#include <filesystem>

#include "tests/cli/fixture.h"

namespace vitq::test {
namespace {

TEST_CASE("quantize, seed and eval write names as long as the file system takes") {
  const Workplace here;
  const std::string labels = here.write("labels.csv", "file,label\ncat.ppm,3\n");
  for (const std::size_t length : {200, 243, 249, 255}) {
    CAPTURE(length);
    const std::string q = std::string(length - 1, 'n') + 'q';
    const std::string e = std::string(length - 1, 'n') + 'e';
    here.quantized(q);
    CHECK(std::filesystem::exists(here.path(q)));
    here.accepts(
        {"eval", "--model", here.model(), "--images", here.path("").string(), "--labels", labels, "--logits", here(e)});
    CHECK(std::filesystem::exists(here.path(e)));
  }
}

TEST_CASE("a file that could not be written is refused before any work") {
  const Workplace here;
  // The pictures are not there: whoever looks at them first fails with their name.
  const auto refuses = [&](const std::string& out, const std::string& because, const Setting& setting = {}) {
    here.refuses({"quantize", "--model", here.model(), "--images", here("no_pictures"), "--out", out}, 1,
                 {out.substr(0, 40), because}, setting);
  };
  refuses(here(std::string(256, 'n')), "File name too long");
  refuses(here("missing/artifact"), "there is no folder");
  refuses(here.picture() + "/artifact", "there is no folder");
  refuses(here.path("").string(), "");
  if (!can_drop_privilege()) return;
  std::filesystem::create_directory(here.path("closed"));
  std::filesystem::permissions(here.path("closed"),
                               std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
  refuses(here("closed/artifact"), "Permission denied", {.without_privilege = true});
}

}  // namespace
}  // namespace vitq::test
