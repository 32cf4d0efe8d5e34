#include "models/imagenet_classes.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cctype>
#include <fstream>
#include <iostream>
#include <set>
#include <string>

#include "tests/shared_folder.h"

namespace vitq {
namespace {

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

TEST_CASE("imagenet classes: 1000 names that differ even in lower case") {
  const auto names = imagenet_class_names();
  REQUIRE(names.size() == kImagenetClasses);
  std::set<std::string> seen;
  for (const std::string_view name : names) {
    CHECK_FALSE(name.empty());
    CHECK_MESSAGE(seen.insert(lower(name)).second, name);
    CHECK_MESSAGE(std::ranges::all_of(name, [](unsigned char c) { return c >= ' ' && c < 127; }), name);
  }
  CHECK(names[0] == "tench");
  CHECK(names[134] == "crane (bird)");
  CHECK(names[285] == "Egyptian cat");
  CHECK(names[517] == "crane (machine)");
  CHECK(names[999] == "toilet tissue");
}

TEST_CASE("imagenet classes: wnids ascend, so a folder name is found by bisection") {
  const auto wnids = imagenet_wnids();
  REQUIRE(wnids.size() == kImagenetClasses);
  CHECK(std::ranges::adjacent_find(wnids, std::greater_equal{}) == wnids.end());
  for (const std::string_view wnid : wnids) {
    CHECK(wnid.size() == 9);
    CHECK(wnid.front() == 'n');
    CHECK(std::all_of(wnid.begin() + 1, wnid.end(), [](unsigned char c) { return std::isdigit(c) != 0; }));
  }
  CHECK(std::ranges::lower_bound(wnids, "n02124075") - wnids.begin() == 285);
}

TEST_CASE("imagenet classes: golden: each wnid and name belongs to the synset of its line") {
  const auto shared = test::shared_folder();
  if (!shared) {
    std::cout << "SKIPPED: needs shared/assets/imagenet_synsets.txt\n";
    return;
  }
  std::ifstream file(*shared / "assets" / "imagenet_synsets.txt");
  std::size_t index = 0;
  for (std::string wnid, lemmas; file >> wnid && std::getline(file >> std::ws, lemmas); ++index) {
    REQUIRE(index < kImagenetClasses);
    CHECK(imagenet_wnids()[index] == wnid);
    // What stands before a parenthesis, added to tell two classes apart, is one of the lemmas.
    const std::string_view name = imagenet_class_names()[index];
    const std::string lemma(name.substr(0, name.find(" (")));
    CHECK_MESSAGE((", " + lemmas + ",").find(", " + lemma + ",") != std::string::npos, name << " / " << lemmas);
  }
  CHECK(index == kImagenetClasses);
}

}  // namespace
}  // namespace vitq
