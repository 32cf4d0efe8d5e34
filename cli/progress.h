#pragma once
// A bar for long work, on standard error and only where that is a terminal: how far, how fast, how long still.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace vitq {

/// "88.2 MB": 10^6 bytes.
std::string megabytes(std::uint64_t bytes);

/// The line is drawn at most ten times a second, and gone when the object is.
class Progress {
 public:
  enum class Unit { kSteps, kBytes };

  /// what: the work, in a word. total: how many steps there will be. Draws nothing unless `is_wanted`.
  Progress(std::string what, std::size_t total, bool is_wanted = true, Unit unit = Unit::kSteps);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// So many more steps are done.
  void advance(std::size_t steps = 1);
  /// These were done already: they count for how far it is, not for how fast.
  void skip(std::size_t steps);
  /// Takes the line away until the next step, so that something else can be written.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  void draw(Clock::time_point now);

  std::string what_;
  std::size_t total_;
  Unit unit_;
  std::size_t done_ = 0;     ///< all
  std::size_t skipped_ = 0;  ///< of those, the ones done before
  bool is_shown_;
  bool is_drawn_ = false;
  Clock::time_point start_ = Clock::now();
  Clock::time_point drawn_at_;
};

}  // namespace vitq
