// Sessions side by side: the same files, in the same order, as through one.
#include <doctest/doctest.h>

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "cli/in_order.h"
#include "cli/side_by_side.h"
#include "engine/threads.h"
#include "tests/cli/embedding_files.h"
#include "tests/cli/fixture.h"

namespace vitq::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

/// Takes `count` items that `threads` make, until one is an exception.
std::vector<std::size_t> taken_from(std::size_t threads, std::size_t count, std::size_t failing) {
  InOrder<std::size_t> queue(0, count, 3);
  std::vector<std::size_t> taken;
  std::vector<std::jthread> makers;
  for (std::size_t i = 0; i < threads; ++i) {
    makers.emplace_back([&] {
      while (const auto index = queue.next()) {
        queue.put(*index, [&] {
          if (*index == failing) throw std::runtime_error("no item");
          return 2 * *index;
        });
      }
    });
  }
  try {
    for (std::size_t i = 0; i < count; ++i) taken.push_back(queue.take());
  } catch (const std::runtime_error&) {
    queue.end();
  }
  return taken;
}

/// Whether the program gets three threads; where OMP_THREAD_LIMIT forbids it, there is one stream.
bool has_threads() {
  const bool has = granted_threads(3) == 3;
  if (!has) std::puts("SKIPPED: OMP_THREAD_LIMIT");
  return has;
}

/// Twelve pictures, the sixth of which is none, and an artifact: its answers are the same bits for any threads.
class Streaming : public Workplace {
 public:
  Streaming() {
    fs::create_directory(path("set"));
    for (int i = 0; i < 12; ++i) write("set/" + std::to_string(10 + i) + ".ppm", ppm(40 + i, 50, 100U + i));
    write("set/15.ppm", "no picture");
    quantized("a.safetensors");
  }

  [[nodiscard]] std::vector<std::string> args(const std::string& command, const std::vector<std::string>& more) const {
    std::vector<std::string> all{command, "--model", (*this)("a.safetensors"), "--images", (*this)("set"), "--force"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
};

TEST_CASE("what several threads make is taken in order, up to what one of them throws") {
  std::vector<std::size_t> all(100);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = 2 * i;
  for (const std::size_t threads : {1, 2, 7}) {
    CHECK(taken_from(threads, all.size(), all.size()) == all);
    CHECK(taken_from(threads, all.size(), 41) == std::vector(all.begin(), all.begin() + 41));
  }
}

TEST_CASE("what is done side by side is done once a round by each, and what one throws is thrown when all have ended") {
  std::vector<int> rounds(4);
  bool fails = false;
  SideBySide all(4, [&](int i) {
    ++rounds[i];
    if (fails && i == 2) throw std::runtime_error("no pass");
  });
  all.run();
  CHECK(rounds == std::vector<int>(4, 1));
  fails = true;
  CHECK_THROWS_WITH(all.run(), "no pass");
  fails = false;
  all.run();
  CHECK(rounds == std::vector<int>(4, 3));
}

TEST_CASE("embed through several streams writes the files that one writes") {
  if (!has_threads()) return;
  const Streaming here;
  const auto embedded = [&](const std::vector<std::string>& more) {
    std::vector<std::string> args = here.args("embed", {"--out", here("e.npy"), "--threads", "3"});
    args.insert(args.end(), more.begin(), more.end());
    const Outcome outcome = here.run(args);
    CHECK(outcome.exit_code == 1);  // for the one that is no picture
    CHECK(outcome.err.find(here("set/15.ppm")) != std::string::npos);
    return bytes_of_file(here.path("e.npy")) + bytes_of_file(here.path("e.csv"));
  };
  for (const std::string batch : {"1", "5"}) {
    const std::string expected = embedded({"--batch", batch, "--streams", "1"});
    for (const std::string streams : {"2", "3", "auto"}) {
      CAPTURE(streams);
      CHECK(embedded({"--batch", batch, "--streams", streams}) == expected);
    }
  }
}

TEST_CASE("of many batches the first are computed both ways, and count like all others") {
  if (!has_threads()) return;
  const Streaming here;
  std::vector<std::string> pictures;
  for (int i = 0; i < 60; ++i) pictures.push_back(here("set/1" + std::to_string(i % 5) + ".ppm"));
  const auto embedded = [&](const std::string& streams) {
    std::vector<std::string> args{"embed",     "--model", here("a.safetensors"), "--out", here("e.npy"), "--batch", "1",
                                  "--threads", "2",       "--streams",           streams, "--json",      "--force"};
    args.insert(args.end(), pictures.begin(), pictures.end());
    const json record = json::parse(here.accepts(args));
    CHECK(record["pictures"] == pictures.size());
    if (streams != "auto") CHECK(std::to_string(record["streams"].get<int>()) == streams);
    return bytes_of_file(here.path("e.npy")) + bytes_of_file(here.path("e.csv"));
  };
  const std::string expected = embedded("1");
  CHECK(embedded("2") == expected);
  CHECK(embedded("auto") == expected);
}

TEST_CASE("eval through several streams says what it says through one, of a reference too") {
  if (!has_threads()) return;
  const Streaming here;
  here.write("set/15.ppm", ppm(45, 50, 105));
  std::string labels = "file,label\n";
  for (int i = 0; i < 12; ++i) labels += std::to_string(10 + i) + ".ppm," + std::to_string(i % 10) + '\n';
  here.write("labels.csv", labels);
  const auto evaluated = [&](const std::string& streams) {
    const Outcome outcome = here.run(
        here.args("eval", {"--labels", here("labels.csv"), "--against", here.model(), "--threads", "2", "--batch", "2",
                           "--streams", streams, "--logits", here("l.safetensors"), "--format", "json"}));
    CHECK(outcome.exit_code == 0);
    const json record = json::parse(outcome.out);
    CHECK(std::to_string(record["streams"].get<int>()) == streams);
    std::string said = bytes_of_file(here.path("l.safetensors"));
    for (const char* key : {"n", "top1", "top5", "agreement", "only_this", "unreadable"})
      said += record[key].dump() + ' ';
    return said;
  };
  CHECK(evaluated("2") == evaluated("1"));
}

TEST_CASE("streams that cannot be are refused") {
  if (!has_threads()) return;
  const Streaming here;
  const auto refused = [&](const std::vector<std::string>& more, const std::vector<std::string>& words) {
    std::vector<std::string> args = here.args("embed", {"--out", here("e.npy"), "--threads", "2"});
    args.insert(args.end(), more.begin(), more.end());
    here.refuses(args, 2, words);
  };
  refused({"--streams", "3"}, {"--streams 3", "at most 2"});
  for (const std::string bad : {"0", "-1", "x", ""})
    refused({"--streams", bad}, {"--streams", "auto or a whole number"});
  refused({"--streams", "2", "--dynamic"}, {"--dynamic", "--streams 1", "found 2"});
}

}  // namespace
}  // namespace vitq::test
