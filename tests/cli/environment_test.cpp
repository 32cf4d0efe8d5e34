// What the environment says of threads and of the home of models, seen in `vitq info`.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <optional>

#include "engine/thread_limit.h"
#include "tests/cli/fixture.h"

namespace vitq::test {
namespace {

/// The value of a row of `vitq info`.
std::string row(const Workplace& here, const std::string& key, const std::map<std::string, std::string>& environment) {
  for (const std::string& line : lines_of(here.run({"info"}, {.environment = environment}).out)) {
    if (line.starts_with(key + ' ')) return line.substr(line.find_first_not_of(' ', key.size()));
  }
  return "";
}

TEST_CASE("info says how many threads are the default, and why") {
  const Workplace here;
  CHECK(row(here, "threads", {{"OMP_NUM_THREADS", "1"}}) == "1 (OMP_NUM_THREADS)");
  CHECK(row(here, "threads", {{"OMP_NUM_THREADS", "1,4"}}) == "1 (OMP_NUM_THREADS)");
  CHECK(row(here, "threads", {{"OMP_THREAD_LIMIT", "1"}}) == "1 (OMP_THREAD_LIMIT)");
  const std::string plain = row(here, "threads", {{"OMP_NUM_THREADS", ""}});
  CHECK_FALSE(plain.starts_with("0"));
  for (const char* nonsense : {"0", "-3", "many", "100000"})
    CHECK(row(here, "threads", {{"OMP_NUM_THREADS", nonsense}}) == plain);
}

TEST_CASE("run computes with as many threads as OMP_NUM_THREADS says, unless --threads does") {
  const Workplace here;
  const Setting setting{.environment = {{"OMP_NUM_THREADS", "1"}}};
  CHECK(here.accepts({"run", "--model", here.model(), here.picture()}, setting).find(" 1 thread,") !=
        std::string::npos);
}

TEST_CASE("no relative folder is the home of models, and none is made") {
  const Workplace here;
  for (const char* home : {"", ".", "relative"}) {
    CAPTURE(home);
    const std::string found = row(here, "models", {{"VITQ_HOME", ""}, {"XDG_CACHE_HOME", "cache"}, {"HOME", home}});
    CHECK((found.starts_with('/') || found.starts_with("nowhere")));
  }
  CHECK(row(here, "models", {{"VITQ_HOME", ""}, {"XDG_CACHE_HOME", "/cache"}, {"HOME", "/h"}}) == "/cache/vitq");
  CHECK(row(here, "models", {{"VITQ_HOME", ""}, {"XDG_CACHE_HOME", "cache"}, {"HOME", "/h"}}) == "/h/.cache/vitq");
}

TEST_CASE("more threads than cores are warned of, once") {
  const Workplace here;
  const std::optional<int> cores = available_cores();
  if (!cores) {
    std::puts("SKIPPED: the cores of this machine cannot be told");
    return;
  }
  const auto err = [&](int threads, const std::vector<std::string>& more) {
    std::vector<std::string> args{"run", "--model", here.model(), "--threads", std::to_string(threads), here.picture()};
    args.insert(args.end(), more.begin(), more.end());
    const Outcome outcome = here.run(args);
    CHECK(outcome.exit_code == 0);
    return outcome.err;
  };
  const std::string number = std::to_string(*cores);
  CHECK(err(*cores, {}).empty());
  CHECK(err(*cores + 1, {}) == "vitq: warning: --threads " + std::to_string(*cores + 1) + ": this process may run on " +
                                   number + (*cores == 1 ? " core" : " cores") +
                                   "; threads that share one wait for each other\n");
  CHECK(err(*cores + 1, {"--quiet"}).empty());
}

}  // namespace
}  // namespace vitq::test
