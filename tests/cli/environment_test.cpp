// What the environment says of threads and of the home of models, seen in `vitq info`.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>

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

}  // namespace
}  // namespace vitq::test
