// Which class a folder is, what ends a guess, and what eval says it counted.
#include "cli/class_folders.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "cli/class_names.h"
#include "cli/labels.h"
#include "engine/error.h"
#include "models/imagenet_classes.h"
#include "tests/cli/fixture.h"

namespace vitq::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using Names = std::vector<std::string>;

const Names kAnimals{"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"};

Names imagenet() {
  const auto names = imagenet_class_names();
  return {names.begin(), names.end()};
}

/// Folders that hold pictures, as far as their names go; any warning is an error.
FolderClasses match(const Names& folders, const Names& classes, bool strict = true) {
  std::vector<fs::path> paths;
  for (const std::string& folder : folders) paths.push_back(fs::path("set") / folder);
  return classes_of_folders("set", paths, classes, {.strict = strict, .quiet = true});
}

std::string refusal(const Names& folders, const Names& classes) {
  try {
    match(folders, classes);
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

TEST_CASE("folders are called as classes in many ways") {
  const auto expect = [](const Names& folders, const Names& classes, const std::vector<int>& indices,
                         const std::string& how) {
    CAPTURE(folders.front());
    const FolderClasses found = match(folders, classes);
    CHECK(found.classes == indices);
    CHECK(found.matched == how);
  };
  expect({"cat", "truck"}, kAnimals, {3, 9}, "by name");
  expect({"CAT", " Truck "}, kAnimals, {3, 9}, "by name");
  expect({"003.cat", "10_truck"}, kAnimals, {3, 9}, "by name");
  expect({"n01440764", "n01443537_goldfish"}, imagenet(), {0, 1}, "by wnid");
  expect({"n01440764", "goldfish"}, imagenet(), {0, 1}, "by name and wnid");
  expect({"jack-o'-lantern", "great_white-shark"}, {"great white shark", "jack-o-lantern"}, {1, 0}, "by name");
  expect({"tench", "Carassius auratus"}, {"tench, Tinca tinca", "goldfish, Carassius auratus"}, {0, 1}, "by name");
  expect({"tench, Tinca tinca"}, {"tench", "goldfish"}, {0}, "by name");
  expect({"C", "C#", "C++"}, {"C++", "C#", "C"}, {2, 1, 0}, "by name");
  expect({"0", "3", "9"}, kAnimals, {0, 3, 9}, "by number");
  expect({"000", "003", "009"}, kAnimals, {0, 3, 9}, "by number");
  expect({"00", "01", "02"}, {"2", "1", "0"}, {2, 1, 0}, "by name");  // a name counts before a number
}

TEST_CASE("order counts only where no name is known and is said") {
  const Names folders{"a", "b", "c", "d", "e", "f", "g", "h", "i", "z"};
  const FolderClasses found = match(folders, kAnimals, false);
  CHECK(found.classes == std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
  CHECK(found.matched == "by order");
  CHECK(refusal(folders, kAnimals) ==
        "set: no folder is called as a class of the model: taken in order, a -> class 0 (airplane), "
        "z -> class 9 (truck) (--strict)");
  CHECK(refusal({"a", "b"}, {"class 0", "class 1"}).find("a -> class 0, b -> class 1 (") != std::string::npos);
  const std::string unclear = refusal({"x1", "x10", "x2"}, {"p", "q", "r"});
  CHECK(unclear.find("x10 comes before x2 by letters and behind it by number") != std::string::npos);
  CHECK(match({"cats", "dogs"}, {"cat", "dog"}, false).matched == "by order");
  CHECK(match({"class A", "class B"}, {"class 0", "class 1"}, false).matched == "by order");
  CHECK(match({"x01", "x02", "x10"}, {"p", "q", "r"}, false).matched == "by order");
}

TEST_CASE("a folder of another name beside known ones ends the guess") {
  Names folders = kAnimals;
  folders[0] = "plane";
  folders[1] = "car";
  CHECK(refusal(folders, kAnimals) ==
        "set: 2 of its 10 directories with pictures are called as no class of the model: plane (airplane?), car; "
        "classes without a directory: airplane, automobile");
  CHECK(refusal({"cat", "dgo"}, kAnimals).find(": dgo (dog?); classes without") != std::string::npos);
  CHECK(refusal({"cat", "3"}, kAnimals).find("1 of its 2") != std::string::npos);
  CHECK(refusal({"0", "1", "other"}, kAnimals).find(": other; the others are numbers") != std::string::npos);
  CHECK(refusal({"0", "1", "x"}, {"p", "q", "r"}).find("the others are numbers") != std::string::npos);
  CHECK(refusal({"1", "10"}, kAnimals).find("expected numbers from 0 to 9") != std::string::npos);
  CHECK(refusal({"1", "10"}, kAnimals).find("(these may count from 1)") != std::string::npos);
  CHECK(refusal({"99999999999999999999999"}, kAnimals).find("from 0 to 9") != std::string::npos);
}

TEST_CASE("a name of two classes is refused and a class of two folders is said") {
  const std::string crane = refusal({"crane"}, imagenet());
  CHECK(crane.find("crane can mean 2 classes of the model: class 134 (\"crane (bird)\"), class 517") !=
        std::string::npos);
  CHECK(crane.find("wnid") != std::string::npos);
  CHECK(refusal({"maillot"}, {"maillot", "maillot"}).find("can mean 2 classes") != std::string::npos);
  CHECK(match({"Polish", "polish"}, {"polish", "Polish"}).classes == std::vector<int>{1, 0});
  CHECK(refusal({"CAT", "cat"}, kAnimals) == "set: CAT and cat are both class 3 (cat) (--strict)");
  CHECK(match({"1", "cat"}, {"cat", "1"}).classes == std::vector<int>{1, 0});
  CHECK(match({"CAT", "cat"}, kAnimals, false).classes == std::vector<int>{3, 3});
}

TEST_CASE("names of classes are compared without what people write differently") {
  CHECK(plain_spelling(" Great-White__Shark!") == "great white shark");
  CHECK(plain_spelling("007") == "7");
  CHECK(plain_spelling("000") == "0");
  CHECK(plain_spelling("x007") == "x007");
  CHECK(plain_spelling("").empty());
  CHECK(plain_spelling("++").empty());
}

/// A workplace whose pictures lie in folders.
class Folders : public Workplace {
 public:
  void picture(const std::string& name, std::uint64_t seed = 1) const {
    fs::create_directories(path("set/" + name).parent_path());
    write("set/" + name, ppm(50, 40, seed));
  }
  [[nodiscard]] std::vector<std::string> eval(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> args{"eval", "--model", model(), "--images", (*this)("set"), "--format", "json"};
    args.insert(args.end(), more.begin(), more.end());
    return args;
  }
};

TEST_CASE("eval says what it counted and what it left out") {
  const Folders here;
  here.picture("class_1/a.ppm", 1);
  here.picture("class_1/images/b.ppm", 2);
  here.picture("CLASS 2/c.ppm", 3);
  here.picture("stray.ppm", 4);
  here.write("set/wnids.txt", "text");
  here.write("set/class_1/notes.txt", "text");
  fs::create_directories(here.path("set/empty"));
  fs::create_directories(here.path("set/.git"));
  const Outcome outcome = here.run(here.eval());
  CHECK(outcome.exit_code == 0);
  const std::string left_out = "2 .txt, 1 folder without pictures, 1 picture in no class folder";
  CHECK(outcome.err == "vitq: warning: " + here("set") + ": left out " + left_out + '\n');
  const json record = json::parse(outcome.out);
  CHECK(record["n"] == 3);
  CHECK(record["pictures"] == 3);
  CHECK(record["unreadable"] == 0);
  CHECK(record["repeated"] == 0);
  CHECK(record["classes"] == 2);
  CHECK(record["matched"] == "by name");
  CHECK(record["left_out"] == left_out);
  const auto keys = lines_of(here.accepts(here.eval({"--quiet", "--format", "csv"})));
  CHECK(keys[0].ends_with(",peak_rss_mb,pictures,unreadable,repeated,classes,matched,left_out"));
  const std::string table = here.accepts(here.eval({"--quiet", "--format", "md"}));
  CHECK(table.find(" | by name |\n") != std::string::npos);
  CHECK(table.find(" | " + left_out + " |\n") != std::string::npos);
  here.refuses(here.eval({"--strict"}), 1, {left_out});
  here.picture("other/d.ppm");
  here.refuses(here.eval(), 1, {"1 of its 3 directories", "no class of the model: other"});
}

TEST_CASE("folders that are called as no class are listed with what was expected") {
  const Folders here;
  for (const char* name : {"a/x.ppm", "b/x.ppm", "c/x.ppm", "d/x.ppm", "e/x.ppm", "f/x.ppm"}) here.picture(name);
  here.refuses(here.eval(), 1,
               {"no class of the model: a, b, c, d, e, ... (6 in all)", "class names (the first is",
                "numbers from 0 to 9, or exactly 10 directories, found 6"});
}

TEST_CASE("a name that is nearly that of another class is evidence against the order") {
  const Folders here;
  const Names nearly{"Class-0a", "Class-1a", "Class-2a", "Class-3a", "Class-4a",
                     "Class-5a", "Class-6a", "Class-7a", "Class-9a", "Class-9b"};
  for (const std::string& name : nearly) here.picture(name + "/x.ppm");
  here.refuses(here.eval(), 1, {"no class of the model", "Class-0a (\"class 0\"?)", "not taken in order"});
}

TEST_CASE("a folder of folders of classes is told to be one") {
  const Folders here;
  here.picture("test/class_1/a.ppm");
  here.picture("train/class_1/a.ppm");
  here.refuses(here.eval(), 1, {"no class of the model: test, train", "set/test holds class_1", "--images"});
}

TEST_CASE("a list of labels says what it does not list and what it lists twice") {
  const Folders here;
  for (const char* name : {"a.ppm", "b.ppm", "c.ppm"}) here.picture(name);
  const auto with = [&](const std::string& csv, const std::vector<std::string>& more = {}) {
    std::vector<std::string> args = here.eval({"--labels", here.write("l.csv", "file,label\n" + csv)});
    args.insert(args.end(), more.begin(), more.end());
    return args;
  };
  const json plain = json::parse(here.accepts(with("a.ppm,1\nb.ppm,1\n", {"--strict"})));
  CHECK(plain["matched"] == "by labels file");
  CHECK(plain["classes"] == 1);
  CHECK(plain["left_out"] == "1 picture not listed");
  CHECK(json::parse(here.accepts(with("a.ppm,1\nb.ppm,1\nc.ppm,2\n")))["left_out"] == "nothing");

  const Outcome same = here.run(with("a.ppm,1\nb.ppm,1\n./a.ppm,1\nb.ppm,1\n"));
  CHECK(same.exit_code == 0);
  CHECK(same.err == "vitq: warning: " + here("set/a.ppm") + ": is listed twice (also as " + here("set/./a.ppm") +
                        ") and counts twice; 1 more such picture\n");
  CHECK(json::parse(same.out)["repeated"] == 2);
  CHECK(json::parse(same.out)["n"] == 4);
  const Outcome differing = here.run(with("a.ppm,1\na.ppm,2\n"));
  CHECK(differing.exit_code == 0);
  CHECK(differing.err ==
        "vitq: warning: " + here("set/a.ppm") + ": is listed twice with two labels, 1 and 2, and counts under each\n");
  here.refuses(with("a.ppm,1\na.ppm,2\n", {"--strict"}), 1, {"a.ppm", "two labels, 1 and 2", "--strict"});
}

TEST_CASE("one folder under the names of two classes is said") {
  const Folders here;
  here.picture("class_1/a.ppm");
  fs::create_directory_symlink(here.path("set/class_1"), here.path("set/class_2"));
  const Outcome outcome = here.run(here.eval());
  CHECK(outcome.err.find("set/class_1/a.ppm: is listed twice (also as ") != std::string::npos);
  CHECK(outcome.err.find("with two labels, 1 and 2") != std::string::npos);
}

}  // namespace
}  // namespace vitq::test
