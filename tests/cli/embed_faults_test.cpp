// `vitq embed` interrupted, gone on with, refused, and out of room.
#include <doctest/doctest.h>
#include <signal.h>
#include <time.h>

#include <nlohmann/json.hpp>

#include "tests/cli/embedding_files.h"
#include "tests/cli/fixture.h"

namespace vitq::test {
namespace {

namespace fs = std::filesystem;

constexpr int kPictures = 40;

/// A workplace with pictures that take a while to load; one of them is none, and names have line breaks and commas.
class Work : public Workplace {
 public:
  Work() {
    constexpr int kSide = 700;
    fs::create_directory(path("set"));
    for (int i = 0; i < kPictures; ++i) {
      const std::string bytes = i == 3 ? "no picture" : ppm(kSide, kSide, 10U + i);
      write("set/" + std::to_string(10 + i) + ",\n\".ppm", bytes);
    }
  }
  [[nodiscard]] std::vector<std::string> args(const std::string& out, const std::vector<std::string>& more = {}) const {
    std::vector<std::string> all{"embed", "--model",    headless(), "--images", (*this)("set"),
                                 "--out", (*this)(out), "--batch",  "2",        "--quiet"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  /// Ends the run `args` by `signal` when its part has that many bytes. Whether it was caught at work.
  [[nodiscard]] bool interrupt(const std::vector<std::string>& args, int signal, std::uintmax_t bytes) const {
    const auto end = [&](pid_t program) {
      const timespec pause = {0, 200'000};
      std::error_code error;
      while (::kill(program, 0) == 0) {
        const std::uintmax_t size = fs::file_size(path("e.npy.part"), error);
        if ((!error && size >= bytes) || fs::exists(path("e.npy"), error)) break;
        ::nanosleep(&pause, nullptr);
      }
      ::kill(program, signal);
    };
    return run(args, {.meanwhile = end}).signal == signal;
  }
};

TEST_CASE("an embed that is killed leaves parts, and resumed becomes what it would have been") {
  const Work here;
  const Outcome whole = here.run(here.args("whole.npy"));
  CHECK(whole.exit_code == 1);
  const std::string npy = bytes_of_file(here.path("whole.npy"));
  const std::string csv = bytes_of_file(here.path("whole.csv"));
  for (const int signal : {SIGKILL, SIGINT}) {
    CAPTURE(signal);
    REQUIRE(here.interrupt(here.args("e.npy"), signal, npy.size() / 3));
    CHECK_FALSE(fs::exists(here.path("e.npy")));
    CHECK_FALSE(fs::exists(here.path("e.csv")));
    REQUIRE(fs::file_size(here.path("e.npy.part")) < npy.size());
    SUBCASE("as they are") {}
    SUBCASE("cut in the middle of a row") {
      fs::resize_file(here.path("e.npy.part"), fs::file_size(here.path("e.npy.part")) - 1);
    }
    SUBCASE("cut in the middle of a line") {
      fs::resize_file(here.path("e.csv.part"), fs::file_size(here.path("e.csv.part")) - 3);
    }
    const Outcome rest = here.run(here.args("e.npy", {"--resume", "--json"}));
    CHECK(rest.exit_code == 1);  // of the unreadable picture, whether it was met again or not
    const auto record = nlohmann::json::parse(rest.out);
    CHECK(record["resumed"].get<int>() >= 4);
    CHECK(record["resumed"].get<int>() % 2 == 0);
    CHECK(record["unreadable"] == 1);
    CHECK(bytes_of_file(here.path("e.npy")) == npy);
    CHECK(bytes_of_file(here.path("e.csv")) == csv);
    for (const std::string name : {"e.npy.part", "e.csv.part", "e.npy.part.json", "e.csv.part.json"}) {
      CHECK_FALSE(fs::exists(here.path(name)));
    }
    fs::remove(here.path("e.npy"));
    fs::remove(here.path("e.csv"));
  }
}

TEST_CASE("a part of another work is refused by name, or replaced where nobody asks for it") {
  const Work here;
  const std::string other = here.headless("other.safetensors", true, 4);
  (void)here.run(here.args("whole.npy"));
  const std::string npy = bytes_of_file(here.path("whole.npy"));
  REQUIRE(here.interrupt(here.args("e.npy"), SIGKILL, npy.size() / 3));
  const auto refuses = [&](const std::vector<std::string>& more, const std::string& what) {
    std::vector<std::string> args = here.args("e.npy", {"--resume"});
    args.insert(args.end(), more.begin(), more.end());
    here.refuses(args, 1, {"e.npy.part: is of another work: " + what, "without --resume"});
  };
  refuses({"--model", other}, "model's SHA-256");
  refuses({here.picture()}, "number of pictures is 40 there and 41 here");
  refuses({"--resize", "40"}, "preprocessing");
  refuses({"--tokens", "cls"}, "--tokens is pooled there and cls here");
  refuses({"--dtype", "float16"}, "--dtype");
  refuses({"--normalize"}, "--normalize is false there and true here");
  refuses({"--batch", "4"}, "--batch is 2 there and 4 here");
  fs::rename(here.path("set/10,\n\".ppm"), here.path("set/0.ppm"));
  refuses({}, "SHA-256 of the pictures' names");
  fs::rename(here.path("set/0.ppm"), here.path("set/10,\n\".ppm"));
  here.write("e.npy.part.json", "[\"");
  here.refuses(here.args("e.npy", {"--resume"}), 1, {"e.npy.part: does not say what it is a part of"});
  here.write("e.npy.part.json", "{}");
  refuses({}, "model's SHA-256 is not said there");
  here.write("e.npy.part.json",
             "{\"model's SHA-256\":" + std::string(1'000'000, '[') + std::string(1'000'000, ']') + '}');
  refuses({}, "model's SHA-256 is a list there");
  CHECK(here.run(here.args("e.npy")).exit_code == 1);
  CHECK(bytes_of_file(here.path("e.npy")) == npy);
}

TEST_CASE("nothing is replaced unless told, and a bad place is refused before the work") {
  const Workplace here;
  const auto args = [&](const std::string& out, const std::vector<std::string>& more = {}) {
    std::vector<std::string> all{"embed", "--model", here.headless(), here.picture(), "--out", out};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  here.write("e.csv", "mine");
  here.refuses(args(here("e.npy")), 1, {"e.csv: exists already", "--force"});
  here.accepts(args(here("e.npy"), {"--force"}));
  here.refuses(args(here("e.npy"), {"--resume"}), 1, {"e.npy: exists already", "--force"});
  here.refuses(args(here("no/e.npy")), 1, {"there is no folder"});
  fs::create_directory(here.path("d.npy"));
  here.refuses(args(here("d.npy"), {"--force"}), 1, {"d.npy"});
  fs::create_symlink("/dev/full", here.path("full.npy"));
  here.refuses(args(here("full.npy"), {"--force"}), 1, {"full.npy"});
  fs::create_directory(here.path("empty"));
  here.refuses({"embed", "--model", here.headless(), "--images", here("empty"), "--out", here("x.npy")}, 1,
               {"empty: no pictures in this directory"});
  CHECK_FALSE(fs::exists(here.path("x.npy.part")));
}

TEST_CASE("a full disk is told, leaves the old files and a part to go on with") {
  const Work here;
  (void)here.run(here.args("whole.npy"));
  here.write("e.npy", "old");
  here.write("e.csv", "old");
  const std::string npy = bytes_of_file(here.path("whole.npy"));
  const Outcome full = here.run(here.args("e.npy", {"--force"}), {.most_file_size = npy.size() / 2});
  CHECK(full.exit_code == 1);
  CHECK(full.out.empty());
  CHECK(lines_of(full.err).back().starts_with("vitq: error: " + here("e.npy.part") +
                                              ": cannot be written: File too large; what came so far is kept"));
  CHECK(bytes_of_file(here.path("e.npy")) == "old");
  CHECK(bytes_of_file(here.path("e.csv")) == "old");
  CHECK(here.run(here.args("e.npy", {"--force", "--resume"})).exit_code == 1);
  CHECK(bytes_of_file(here.path("e.npy")) == npy);
  here.refuses({"embed", "--model", here.headless(), here.picture(), "--out", here("x.npy")}, 1,
               {"standard output cannot be written"}, {.out = Stdout::kFull});
}

}  // namespace
}  // namespace vitq::test
