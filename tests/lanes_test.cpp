#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <vector>

#include "engine/error.h"
#include "engine/threads.h"

using namespace vitq;

TEST_CASE("parallel_lanes covers everything once, on no more lanes than threads, in ranges no smaller than the grain") {
  for (const int threads : {1, 2, 3, 8}) {
    const ThreadScope scope(threads);
    for (const std::int64_t count : {0, 1, 15, 16, 33, 197}) {
      std::vector<int> times(count);
      std::array<std::atomic<int>, 8> ranges_of_lane{};
      std::atomic<bool> too_small{false};
      parallel_lanes(count, 16, [&](int lane, std::int64_t begin, std::int64_t end) {
        ++ranges_of_lane.at(lane);
        if (end - begin < std::min<std::int64_t>(16, count)) too_small = true;
        for (std::int64_t i = begin; i < end; ++i) ++times[i];
      });
      CAPTURE(threads);
      CAPTURE(count);
      CHECK(times == std::vector<int>(count, 1));
      CHECK_FALSE(too_small);
      for (int lane = 0; lane < 8; ++lane) CHECK(ranges_of_lane[lane] <= (lane < threads ? 1 : 0));
    }
  }
}

TEST_CASE("within a range everything is one range on the same thread, and what a range throws arrives") {
  const ThreadScope scope(2);
  const int ranges = granted_threads(2);  // 1 under OMP_THREAD_LIMIT=1
  std::atomic<int> inner{0};
  parallel_for(100, 1, [&](std::int64_t, std::int64_t) {
    parallel_for(100, 1, [&](std::int64_t begin, std::int64_t end) {
      ++inner;
      if (begin != 0 || end != 100) inner = 1000;
    });
  });
  CHECK(inner == ranges);
  std::atomic<int> done{0};
  const auto throwing = [&](std::int64_t, std::int64_t end) {
    ++done;
    if (end == 100) throw Error(ErrorCode::kInternal, "from a range");
  };
  CHECK_THROWS_WITH_AS(parallel_for(100, 1, throwing), "from a range", Error);
  CHECK(done == ranges);
  parallel_for(100, 1, [&](std::int64_t, std::int64_t) { ++done; });  // all is well again
  CHECK(done == 2 * ranges);
}
