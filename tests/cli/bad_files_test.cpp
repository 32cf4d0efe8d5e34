// Files that are not what they should be. Each is refused with exit code 1 and a line that names it.
#include <doctest/doctest.h>
#include <sys/stat.h>

#include <cstring>
#include <iostream>

#include "models/describe.h"
#include "models/zoo.h"
#include "tests/cli/fixture.h"

namespace vitq::test {
namespace {

namespace fs = std::filesystem;

TEST_CASE("pictures that are none are refused by name") {
  const Workplace here;
  const auto refuses = [&](const std::string& picture, const std::vector<std::string>& words) {
    here.refuses({"run", "--model", here.model(), "--image", picture}, 1, words);
  };
  refuses(here("missing.jpg"), {"missing.jpg", "no such file"});
  refuses(here.write("empty.jpg", ""), {"empty.jpg", "empty"});
  refuses(here.write("text.jpg", "this is no picture, whatever it is called\n"), {"text.jpg"});
  refuses(here.write("webp.jpg", std::string("RIFF\x24\0\0\0WEBPVP8 ", 16)), {"webp.jpg"});
  refuses(here.write("short.ppm", ppm(60, 40, 1).substr(0, 500)), {"short.ppm"});
  refuses(here.write("lying.ppm", "P6 60000 60000 255\nxyz"), {"lying.ppm"});
  refuses(here.write("huge.ppm", "P6 99999999999 99999999999 255\nxyz"), {"huge.ppm"});
  refuses(here.write("zero.ppm", "P6 0 0 255\n"), {"zero.ppm"});
  refuses(here.write("control\x1b[31m\n.jpg", "text"), {"control\\x1b[31m\\x0a.jpg"});
  refuses(here.model(), {"small.safetensors"});
  refuses("/dev/null", {"/dev/null", "not a regular file"});
  refuses("/dev/zero", {"/dev/zero", "not a regular file"});
  REQUIRE(::mkfifo(here("pipe.jpg").c_str(), 0600) == 0);
  refuses(here("pipe.jpg"), {"pipe.jpg", "not a regular file"});
  fs::create_directory(here.path("nothing"));
  refuses(here("nothing"), {"nothing", "no pictures in this directory", ".jpg"});
  fs::create_symlink(here("loop.jpg"), here.path("loop.jpg"));
  refuses(here("loop.jpg"), {"loop.jpg"});
  refuses(here(std::string(5000, 'a')), {"aaa"});
  refuses(here.picture() + "/inside.jpg", {"inside.jpg"});
}

TEST_CASE("pictures of extreme shape are resized or refused") {
  const Workplace here;
  for (const auto& [name, width, height] :
       {std::tuple("dot.ppm", 1, 1), std::tuple("line.ppm", 20000, 1), std::tuple("column.ppm", 1, 20000)}) {
    const std::string picture = here.write(name, ppm(width, height, 5));
    const std::string out = here.accepts({"run", "--model", here.model(), picture, "--topk", "2"});
    CHECK(lines_of(out).size() == 5);
    here.refuses({"run", "--model", here.model(), picture, "--resize", "none"}, 1, {name, "32"});
  }
}

TEST_CASE("a file without permission is named") {
  const Workplace here;
  if (!can_drop_privilege()) {
    std::cout << "SKIPPED: this test runs as root and cannot give that up for the program\n";
    return;
  }
  const Setting plain{.without_privilege = true};
  fs::copy_file(here.picture(), here.path("secret.ppm"));
  fs::permissions(here.path("secret.ppm"), fs::perms::none);
  here.refuses({"run", "--model", here.model(), here("secret.ppm")}, 1, {"secret.ppm", "ermission denied"}, plain);
  fs::copy_file(here.model(), here.path("secret.safetensors"));
  fs::permissions(here.path("secret.safetensors"), fs::perms::none);
  here.refuses({"info", here("secret.safetensors")}, 1, {"secret.safetensors", "ermission denied"}, plain);
  fs::create_directory(here.path("vault"));
  fs::permissions(here.path("vault"), fs::perms::none);
  here.refuses({"run", "--model", here.model(), here("vault")}, 1, {"vault", "ermission denied"}, plain);
  here.refuses({"run", "--model", here("vault/x.safetensors"), here.picture()}, 1, {"vault/x.safetensors"}, plain);
  fs::create_directory(here.path("frozen"));
  fs::permissions(here.path("frozen"), fs::perms::owner_read | fs::perms::owner_exec);
  here.refuses({"seed", "--model", "deit_t", "--out", here("frozen/x.safetensors")}, 1,
               {"frozen/x.safetensors", "ermission denied"}, plain);
  fs::permissions(here.path("vault"), fs::perms::owner_all);
  fs::permissions(here.path("frozen"), fs::perms::owner_all);
}

TEST_CASE("models that are none are refused by name") {
  const Workplace here;
  const std::string good = here.model_bytes();
  const auto refuses = [&](const std::string& model, const std::vector<std::string>& words) {
    here.refuses({"run", "--model", model, "--image", here.picture()}, 1, words);
  };
  refuses(here("missing.safetensors"), {"missing.safetensors", "no such file", "expected a model"});
  refuses("deit_s", {"deit_s.safetensors", "vitq seed"});
  refuses(here.picture(), {"cat.ppm"});
  fs::create_directory(here.path("folder"));
  refuses(here("folder"), {"folder", "is a folder without weights"});
  refuses("/dev/null", {"/dev/null", "not a regular file"});
  refuses(here.write("empty.safetensors", ""), {"empty.safetensors"});
  refuses(here.write("seven.safetensors", good.substr(0, 7)), {"seven.safetensors"});
  refuses(here.write("header.safetensors", good.substr(0, 100)), {"header.safetensors"});
  refuses(here.write("short.safetensors", good.substr(0, good.size() - 1)), {"short.safetensors"});
  refuses(here.write("long.safetensors", good + "x"), {"long.safetensors"});
  refuses(here.write("text.safetensors", std::string(4096, 'a')), {"text.safetensors"});
  std::string other = good;
  other.replace(other.find("norm1"), 5, "morn1");
  refuses(here.write("renamed.safetensors", other), {"renamed.safetensors", "norm1"});
  std::string nan = good;
  std::memcpy(nan.data() + nan.size() - 4, "\0\0\xc0\x7f", 4);
  refuses(here.write("nan.safetensors", nan), {"nan.safetensors"});
  std::string overflow = good;
  for (std::size_t at = good.size() - 400; at < good.size(); at += 4) {
    std::memcpy(overflow.data() + at, "\xff\xff\x7f\x7f", 4);  // the largest float
  }
  refuses(here.write("overflow.safetensors", overflow), {"not finite"});
}

TEST_CASE("a model by name that holds another is refused") {
  const Workplace here;
  fs::create_directory(here.path("home"));
  fs::copy_file(here.model(), here.path("home/deit_s.safetensors"));
  here.refuses({"run", "--model", "deit_s", here.picture()}, 1,
               {"deit_s.safetensors", "expected patch_embed.proj.weight [384, 3, 16, 16], found [64, 3, 8, 8]"});
  here.accepts({"seed", "--model", "deit_t", "--out", here("home/vit_s.safetensors")});
  here.refuses({"run", "--model", "vit_s", here.picture()}, 1, {"vit_s.safetensors", "is this vit_t?"});
}

TEST_CASE("one flipped bit never crashes the program") {
  const Workplace here;
  const std::string good = here.model_bytes();
  std::uint64_t header_size = 0;
  std::memcpy(&header_size, good.data(), sizeof(header_size));
  constexpr int kTries = 60;
  int refused = 0;
  for (int i = 0; i < kTries; ++i) {
    // Half of the flips in the header, which is where a reader can be led astray.
    const std::size_t range = i % 2 == 0 ? static_cast<std::size_t>(header_size) + 8 : good.size();
    const std::size_t bit = static_cast<std::size_t>(i) * 7919 * 31 % (range * 8);
    std::string bytes = good;
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    const Outcome outcome =
        here.run({"run", "--model", here.write("flipped.safetensors", bytes), "--threads", "1", here.picture()});
    CAPTURE(bit);
    CAPTURE(outcome.err);
    CHECK_FALSE(outcome.timed_out);
    CHECK(outcome.signal == 0);
    CHECK((outcome.exit_code == 0 || outcome.exit_code == 1));
    CHECK(lines_of(outcome.err).size() == static_cast<std::size_t>(outcome.exit_code));
    refused += outcome.exit_code;
  }
  CHECK(refused > kTries / 4);
}

TEST_CASE("label lists that make no sense are refused by line") {
  const Workplace here;
  fs::create_directory(here.path("set"));
  fs::copy_file(here.picture(), here.path("set/a.ppm"));
  const auto refuses = [&](std::string_view csv, const std::vector<std::string>& words) {
    here.refuses({"eval", "--model", here.model(), "--images", here("set"), "--labels", here.write("l.csv", csv)}, 1,
                 words);
  };
  refuses("", {"l.csv line 1", "found nothing", "file,label"});
  refuses("a.ppm,1\n", {"l.csv line 1", "expected the header file,label"});
  refuses("file,label\n", {"l.csv", "no pictures are listed"});
  refuses("file,label\na.ppm\n", {"l.csv line 2", "expected FILE,LABEL"});
  refuses("file,label\na.ppm,1\na.ppm,cat\n", {"l.csv line 3", "label cat", "from 0 to 9"});
  refuses("file,label\na.ppm,10\n", {"l.csv line 2", "label 10", "from 0 to 9"});
  refuses("file,label\na.ppm,-1\n", {"l.csv line 2", "label -1"});
  refuses("file,label\na.ppm,\n", {"l.csv line 2", "label \"\""});
  refuses("file,label\n,1\n", {"l.csv line 2", "name is empty"});
  refuses("file,label\n\"a.ppm\",1\n", {"l.csv line 2", "without quotes"});
  refuses("file,label\nb.ppm,1\n", {"l.csv line 2", "b.ppm", "no such file"});
  refuses(std::string_view("file,label\na\0b,1\n", 17), {"l.csv line 2", "zero byte"});
  const auto eval = [&](std::vector<std::string> more, const std::vector<std::string>& words) {
    more.insert(more.begin(), {"eval", "--model", here.model()});
    here.refuses(more, 1, words);
  };
  eval({"--images", here("set"), "--labels", here("missing.csv")}, {"missing.csv", "no such file", "--labels"});
  eval({"--images", here("set"), "--labels", here("set")}, {"is a directory"});
  eval({"--images", here("missing")}, {"missing", "no directory"});
  eval({"--images", here.picture()}, {"cat.ppm", "no directory"});
  eval({"--images", here("set")}, {"no directories in it", "--labels"});
}

TEST_CASE("class directories and other files of an evaluation are checked") {
  const Workplace here;
  fs::create_directories(here.path("set/whatever"));
  fs::copy_file(here.picture(), here.path("set/whatever/a.ppm"));
  const auto eval = [&](std::vector<std::string> more, const std::vector<std::string>& words) {
    more.insert(more.begin(), {"eval", "--model", here.model(), "--images", here("set")});
    here.refuses(more, 1, words);
  };
  eval({}, {"whatever", "no class of the model", "exactly 10 directories, found 1"});
  fs::remove(here.path("set/whatever/a.ppm"));
  fs::rename(here.path("set/whatever"), here.path("set/class_7"));
  eval({}, {"no pictures in its directories"});
  here.write("set/class_7/a.jpg", "no picture");
  fs::copy_file(here.picture(), here.path("set/b.ppm"));
  const std::string labels = here.write("l.csv", "file,label\nb.ppm,1\n");
  eval({"--labels", labels, "--reference", here("missing")}, {"missing", "no such file", "--reference"});
  eval({"--labels", labels, "--reference", here.model()}, {"no tensor named logits", "--reference"});
  eval({"--labels", labels, "--logits", here("nowhere/x.safetensors")}, {"nowhere", "mkdir"});
  eval({"--labels", labels, "--logits", here.picture()}, {"cat.ppm", "exists already", "--force"});
}

TEST_CASE("seed does not overwrite or write nowhere") {
  const Workplace here;
  const auto seed = [&](const std::string& out, const std::vector<std::string>& words) {
    here.refuses({"seed", "--model", "deit_t", "--out", out}, 1, words);
  };
  seed(here.picture(), {"cat.ppm", "exists already", "--force"});
  seed(here("nowhere/x"), {"nowhere", "mkdir -p"});
  seed(here.picture() + "/x", {"cat.ppm", "no folder"});
  seed("/dev/full", {"exists already"});
  here.refuses({"seed", "--model", "deit_t", "--out", "/dev/full", "--force"}, 1, {"not a regular file"});
  fs::create_directory(here.path("folder"));
  here.refuses({"seed", "--model", "deit_t", "--out", here("folder"), "--force"}, 1, {"folder", "a directory"});
}

}  // namespace
}  // namespace vitq::test
