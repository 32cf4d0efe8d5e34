#pragma once
// Threads that do one step each, side by side, again and again. Each keeps what belongs to its thread, OpenMP's pool of
// threads among it.

#include <barrier>
#include <exception>
#include <functional>
#include <thread>
#include <vector>

namespace vitq {

/// How many of `threads` number `index` of `count` gets, where they are divided as evenly as may be.
constexpr int share_of(int threads, int count, int index) {
  return threads / count + (index < threads % count ? 1 : 0);
}

class SideBySide {
 public:
  /// step(i) for i < count is what thread i does.
  SideBySide(int count, std::function<void(int)> step);
  ~SideBySide();
  SideBySide(const SideBySide&) = delete;
  SideBySide& operator=(const SideBySide&) = delete;

  /// All steps once. Throws what a step has thrown, of several that of the first thread.
  void run();

 private:
  std::function<void(int)> step_;
  std::vector<std::exception_ptr> failures_;
  std::barrier<> gate_;  // of all threads and the caller: opens before the steps and behind them
  bool is_over_ = false;
  std::vector<std::jthread> threads_;
};

}  // namespace vitq
