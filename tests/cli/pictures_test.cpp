// Which files of a folder are pictures, and that what is none is said.
#include "cli/pictures.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "engine/error.h"
#include "tests/cli/fixture.h"

namespace vitq::test {
namespace {

namespace fs = std::filesystem;

const Notices kStrict{.strict = true};

class Tree : public Workplace {
 public:
  Tree() { fs::create_directory(path("set")); }
  void picture(const std::string& name) const { file(name, ppm(50, 40, 7)); }
  void file(const std::string& name, std::string_view bytes = "text") const {
    fs::create_directories(path("set/" + name).parent_path());
    write("set/" + name, bytes);
  }
  /// What find_pictures makes of it, without the folder's own path.
  [[nodiscard]] std::vector<std::string> found() const {
    std::vector<std::string> names;
    for (const fs::path& picture : find_pictures(path("set")).pictures) names.push_back(shortened(picture.string()));
    return names;
  }
  [[nodiscard]] std::string left_out() const { return find_pictures(path("set")).left_out.text(); }
};

TEST_CASE("a folder is descended and its pictures are sorted") {
  const Tree here;
  for (const char* name :
       {"b/c/d/1.ppm", "b/2.JPG", "a.jpeg", "a/3.JFIF", "4.jpe", "5.PNG", "6.bmp", "7.pgm", "8.pnm"}) {
    here.picture(name);
  }
  const std::vector<std::string> expected{"set/4.jpe",    "set/5.PNG",  "set/6.bmp",   "set/7.pgm",      "set/8.pnm",
                                          "set/a/3.JFIF", "set/a.jpeg", "set/b/2.JPG", "set/b/c/d/1.ppm"};
  CHECK(here.found() == expected);
  CHECK(here.left_out().empty());
  const Outcome outcome = here.run({"run", "--model", here.model(), "--json", here("set")});
  CHECK(outcome.exit_code == 0);
  CHECK(outcome.err.empty());
  CHECK(lines_of(outcome.out).size() == expected.size());
}

TEST_CASE("names that begin with a dot and the folders of systems are passed over") {
  const Tree here;
  here.picture("good.ppm");
  for (const char* name : {"._good.ppm", ".DS_Store", ".hidden/a.ppm", "__MACOSX/._good.ppm", "__MACOSX/a.ppm",
                           "@eaDir/good.ppm/SYNOPHOTO_THUMB_M.jpg", "$RECYCLE.BIN/a.jpg", "lost+found/a.jpg"}) {
    here.file(name, "no picture");
  }
  CHECK(here.found() == std::vector<std::string>{"set/good.ppm"});
  CHECK(here.left_out().empty());
  here.accepts({"run", "--model", here.model(), "--strict", here("set")});
  here.accepts({"quantize", "--model", here.model(), "--images", here("set"), "--count", "1", "--out", here("out")});
  here.picture(".a.ppm");
  here.accepts({"run", "--model", here.model(), here("set/.a.ppm")});  // it is named
}

TEST_CASE("what a folder leaves out is said by ending and count") {
  const Tree here;
  here.picture("a.ppm");
  for (const char* name : {"1.txt", "2.TXT", "in/3.txt", "4.gif", "README", "in/dot."}) here.file(name);
  const std::string said = "left out 3 .txt, 1 .gif, 2 without an ending";
  CHECK(here.left_out() == said.substr(9));
  const Outcome outcome = here.run({"run", "--model", here.model(), here("set")});
  CHECK(outcome.exit_code == 0);
  CHECK(outcome.err == "vitq: warning: " + here("set") + ": " + said + '\n');
  here.accepts({"run", "--model", here.model(), "--quiet", here("set")});
  here.refuses({"run", "--model", here.model(), "--strict", here("set")}, 1, {said, "--strict"});
  CHECK_THROWS_WITH_AS(list_pictures({here("set")}, kStrict), doctest::Contains(said.c_str()), Error);
  fs::remove(here.path("set/a.ppm"));
  here.refuses({"run", "--model", here.model(), here("set")}, 1, {"no pictures in this directory", said});
  for (int i = 0; i < 20; ++i) here.file("x." + std::to_string(i));
  CHECK(here.left_out() ==
        "3 .txt, 1 .0, 1 .1, 1 .10, 1 .11, 1 .12, 1 .13, 1 .14, 14 with other endings, "
        "2 without an ending");
}

TEST_CASE("the content decides whether a file called webp or pbm is a picture") {
  const Tree here;
  here.picture("a.webp");
  here.picture("b.PBM");
  here.file("c.webp", std::string("RIFF\x24\0\0\0WEBPVP8 ", 16));
  here.file("d.pbm", "P4 8 1\n\xff");
  here.file("empty.webp", "");
  CHECK(here.found() == std::vector<std::string>{"set/a.webp", "set/b.PBM"});
  CHECK(here.left_out() == "2 .webp, 1 .pbm");
}

TEST_CASE("links are followed and a folder is entered once") {
  const Tree here;
  here.picture("a/1.ppm");
  fs::create_directory_symlink(here.path("set"), here.path("set/a/loop"));
  fs::create_directory_symlink(here.path("set/a"), here.path("set/z"));
  fs::create_symlink(here.path("nowhere"), here.path("set/broken"));
  here.write("elsewhere.ppm", ppm(50, 40, 8));
  fs::create_symlink(here.path("elsewhere.ppm"), here.path("set/b.ppm"));
  CHECK(here.found() == std::vector<std::string>{"set/a/1.ppm", "set/b.ppm"});
  CHECK(here.left_out() == "1 without an ending, 2 links to a folder read already");
}

TEST_CASE("a tree may be deep and a folder large") {
  const Tree here;
  std::string deep;
  for (int i = 0; i < 300; ++i) deep += "d/";
  here.picture(deep + "x.ppm");
  for (int i = 0; i < 3000; ++i) here.file("many/" + std::to_string(i) + ".ppm", "");
  CHECK(here.found().size() == 3001);
}

TEST_CASE("a folder below that cannot be read is named") {
  const Tree here;
  here.picture("a.ppm");
  here.picture("locked/b.ppm");
  fs::permissions(here.path("set/locked"), fs::perms::none);
  if (can_drop_privilege()) {
    fs::permissions(here.path(""), fs::perms::all);
    here.refuses({"run", "--model", here.model(), here("set")}, 1, {"set/locked", "cannot be read"},
                 {.without_privilege = true});
  }
  fs::permissions(here.path("set/locked"), fs::perms::owner_all);
}

TEST_CASE("quantize takes a tree and each file of it once") {
  const Tree here;
  const std::string flat = here.quantized("flat.safetensors");
  for (int i = 0; i < 8; ++i) {
    const std::string name = "c" + std::to_string(i) + ".ppm";
    here.file((i % 2 == 0 ? "even/" : "odd/deep/") + name, ppm(50, 40, 50U + i));
  }
  fs::create_symlink(here.path("set/even/c0.ppm"), here.path("set/zero.ppm"));
  const auto quantize = [&](const std::string& count) {
    return std::vector<std::string>{"quantize", "--model", here.model(), "--images",   here("set"), here("set/even"),
                                    "--count",  count,     "--out",      here("tree"), "--force",   "--json"};
  };
  using nlohmann::json;
  const json record = json::parse(here.accepts(quantize("8")));
  CHECK(record["pictures"].size() == 8);
  here.refuses(quantize("9"), 1, {"found 8 pictures, expected at least 9"});
}

TEST_CASE("quantize and eval do not write over what they read") {
  const Tree here;
  const std::string bytes = here.model_bytes();
  fs::create_symlink(here.model(), here.path("link.safetensors"));
  const std::string folder = here.calibration_pictures();
  for (const std::string& out : {here.model(), here("link.safetensors"), here("set/../small.safetensors")}) {
    std::vector<std::string> args{"quantize", "--model", here.model(), "--images", folder,
                                  "--count",  "8",       "--out",      out};
    here.refuses(args, 1, {"is the file of --model"});
    args.emplace_back("--force");
    here.refuses(args, 1, {"is the file of --model"});
  }
  const std::string csv = here.write("l.csv", "file,label\nc0.ppm,1\n");
  for (const std::string& out : {here.model(), csv}) {
    here.refuses({"eval", "--model", here.model(), "--images", folder, "--labels", csv, "--logits", out, "--force"}, 1,
                 {out, "which is only read"});
  }
  CHECK(here.model_bytes() == bytes);
}

}  // namespace
}  // namespace vitq::test
