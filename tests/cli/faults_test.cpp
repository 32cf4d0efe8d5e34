// Faults from outside while the program works: a file cut short under it, an interruption, a full disk, a folder that
// may not be written, too little memory. docs/faults.md shows what each looks like.

#include <doctest/doctest.h>
#include <signal.h>
#include <time.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include "tests/cli/fixture.h"
#include "weights/safetensors.h"

namespace vitq::test {
namespace {

namespace fs = std::filesystem;

constexpr int kTries = 12;

void wait_ms(long milliseconds) {
  const timespec time = {milliseconds / 1000, milliseconds % 1000 * 1'000'000};
  ::nanosleep(&time, nullptr);
}

/// Whether `program` has mapped `file`. Waits until it has or has ended.
bool waits_for_mapping(pid_t program, const std::string& file) {
  for (;;) {
    std::ifstream maps("/proc/" + std::to_string(program) + "/maps");
    bool is_empty = true;
    for (std::string line; std::getline(maps, line);) {
      if (line.ends_with(file)) return true;
      is_empty = false;
    }
    if (is_empty) return false;
  }
}

/// Pictures that take a while to load, so that there is something to be caught at.
void write_large_pictures(const Workplace& here, int count) {
  constexpr int kSide = 900;
  fs::create_directory(here.path("large"));
  for (int i = 0; i < count; ++i) here.write("large/" + std::to_string(i) + ".ppm", ppm(kSide, kSide, 10U + i));
}

std::vector<std::string> quantize(const Workplace& here, const std::string& out) {
  return {"quantize", "--model", here.model(), "--images", here("large"),
          "--out",    here(out), "--count",    "4",        "--force"};
}

/// Files of the folder itself.
std::ptrdiff_t file_count(const Workplace& here) {
  return std::distance(fs::directory_iterator(here.path("")), fs::directory_iterator());
}

}  // namespace

TEST_CASE("a model that is cut short while it is read ends the program with a message that names it") {
  const Workplace here;
  write_large_pictures(here, 4);
  const std::string good = here.model_bytes();
  int told = 0;
  for (int i = 0; i < kTries && told == 0; ++i) {
    here.write("small.safetensors", good);
    const auto shorten = [&](pid_t program) {
      if (waits_for_mapping(program, here.model())) fs::resize_file(here.model(), 4096);
    };
    const Outcome outcome = here.run(quantize(here, "out"), {.meanwhile = shorten});
    CAPTURE(outcome.err);
    CHECK(outcome.signal == 0);
    if (outcome.exit_code == 0) continue;  // it was faster
    CHECK(outcome.exit_code == 1);
    CHECK(outcome.out.empty());
    CHECK(lines_of(outcome.err).size() == 1);
    told += outcome.err.find("vitq: error: " + here.model() + ": was cut short by another program") == 0 ? 1 : 0;
  }
  CHECK(told == 1);
}

TEST_CASE("an interrupted quantize leaves the old file or the new one and nothing else") {
  const Workplace here;
  write_large_pictures(here, 4);
  here.write("out", "old");
  const std::ptrdiff_t files = file_count(here);
  int interrupted = 0;
  for (int i = 0; i < kTries; ++i) {
    const auto interrupt = [&](pid_t program) {
      wait_ms(10L * i * i);
      ::kill(program, SIGINT);
    };
    const Outcome outcome = here.run(quantize(here, "out"), {.meanwhile = interrupt});
    CAPTURE(outcome.err);
    CHECK((outcome.signal == SIGINT || outcome.exit_code == 0));
    interrupted += outcome.signal == SIGINT ? 1 : 0;
    CHECK(file_count(here) == files);
    if (outcome.exit_code == 0) {
      CHECK_NOTHROW(SafetensorsFile(here.path("out")));
      break;
    }
  }
  CHECK(interrupted > 0);
}

TEST_CASE("every writer tells of a full disk and leaves what was there") {
  const Workplace here;
  write_large_pictures(here, 4);
  const std::ptrdiff_t files = file_count(here) + 1;
  here.write("out", "old");
  for (const std::vector<std::string>& args : {quantize(here, "out"),
                                               {"seed", "--model", "deit_t", "--out", here("out"), "--force"},
                                               {"convert", here.model(), "--out", here("out"), "--force"}}) {
    here.refuses(args, 1, {"/out: cannot be written: File too large; nothing was changed"}, {.most_file_size = 50'000});
    CHECK(fs::file_size(here.path("out")) == 3);
    CHECK(file_count(here) == files);
  }
}

TEST_CASE("every writer tells of a folder that may not be written") {
  if (!can_drop_privilege()) {
    MESSAGE("SKIPPED: root cannot give up its privilege here");
    return;
  }
  const Workplace here;
  write_large_pictures(here, 4);
  fs::create_directory(here.path("locked"));
  fs::permissions(here.path("locked"), fs::perms::owner_read | fs::perms::owner_exec);
  for (const std::vector<std::string>& args : {quantize(here, "locked/out"),
                                               {"seed", "--model", "deit_t", "--out", here("locked/out")},
                                               {"convert", here.model(), "--out", here("locked/out")}}) {
    here.refuses(args, 1, {"locked/out: cannot be created: Permission denied"}, {.without_privilege = true});
  }
  fs::permissions(here.path("locked"), fs::perms::owner_all);
}

TEST_CASE("where OpenMP grants fewer threads than asked for the answer is the same") {
  const Workplace here;
  const std::string artifact = here.quantized("a.safetensors");
  for (const std::string& model : {here.model(), artifact}) {
    const std::vector<std::string> args{"run", "--model", model, "--threads", "2", "--topk", "10", here.picture()};
    const auto classes = [&](const Setting& setting) {
      std::vector<std::string> lines = lines_of(here.accepts(args, setting));
      lines.resize(11);  // what follows are times
      return lines;
    };
    const auto expected = classes({});
    CHECK(classes({.environment = {{"OMP_THREAD_LIMIT", "1"}}}) == expected);
    CHECK(classes({.environment = {{"OMP_DYNAMIC", "true"}}}) == expected);
  }
  CHECK(here.accepts({"run", "--model", artifact, "--threads", "2", here.picture()},
                     {.environment = {{"OMP_THREAD_LIMIT", "1"}}})
            .find(", 1 thread, ") != std::string::npos);
}

}  // namespace vitq::test
