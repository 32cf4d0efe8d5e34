#pragma once
// A bar for long work, on standard error and only where that is a terminal: how far, how fast, how long still.

#include <chrono>
#include <cstddef>
#include <string>

namespace vitq {

/// The line is drawn at most ten times a second, and gone when the object is.
class Progress {
 public:
  /// what: the work, in a word. total: how many steps there will be. Draws nothing unless `is_wanted`.
  Progress(std::string what, std::size_t total, bool is_wanted = true);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// One more step is done.
  void advance();
  /// Takes the line away until the next step, so that something else can be written.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  void draw(Clock::time_point now);

  std::string what_;
  std::size_t total_;
  std::size_t done_ = 0;
  bool is_shown_;
  bool is_drawn_ = false;
  Clock::time_point start_ = Clock::now();
  Clock::time_point drawn_at_;
};

}  // namespace vitq
