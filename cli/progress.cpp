#include "cli/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <sstream>

namespace vitq {
namespace {

void write_to_terminal(const std::string& text) {
  // A bar that cannot be drawn is no reason to stop.
  [[maybe_unused]] const auto ignored = ::write(STDERR_FILENO, text.data(), text.size());
}

std::string duration(double seconds) {
  constexpr int kMinute = 60;
  const auto whole = static_cast<long long>(std::min(std::ceil(seconds), 359999.0));
  std::ostringstream text;
  text << whole / kMinute << ':' << std::setw(2) << std::setfill('0') << whole % kMinute;
  return text.str();
}

constexpr double kMega = 1e6;

std::string fixed(double value) {
  std::ostringstream text;
  text << std::fixed << std::setprecision(1) << value;
  return text.str();
}

}  // namespace

std::string megabytes(std::uint64_t bytes) { return fixed(static_cast<double>(bytes) / kMega) + " MB"; }

Progress::Progress(std::string what, std::size_t total, bool is_wanted, Unit unit)
    : what_(std::move(what)),
      total_(total),
      unit_(unit),
      is_shown_(is_wanted && total > 1 && ::isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() { clear(); }

void Progress::skip(std::size_t steps) {
  done_ += steps;
  skipped_ += steps;
}

void Progress::advance(std::size_t steps) {
  done_ += steps;
  if (!is_shown_) return;
  constexpr std::chrono::milliseconds kPause{100};
  const Clock::time_point now = Clock::now();
  if (drawn_at_ == Clock::time_point{} || now - drawn_at_ >= kPause) draw(now);
}

void Progress::clear() {
  if (!is_drawn_) return;
  write_to_terminal("\r\x1b[K");
  is_drawn_ = false;
}

void Progress::draw(Clock::time_point now) {
  constexpr std::size_t kWidth = 24;
  const double seconds = std::max(std::chrono::duration<double>(now - start_).count(), 1e-6);
  const double rate = static_cast<double>(done_ - skipped_) / seconds;
  const std::size_t filled = std::min(kWidth, kWidth * done_ / total_);
  std::ostringstream line;
  line << "\r\x1b[K" << what_ << " [" << std::string(filled, '=') << std::string(kWidth - filled, ' ') << "] ";
  if (unit_ == Unit::kBytes) {
    line << fixed(static_cast<double>(done_) / kMega) << '/' << megabytes(total_) << ' ' << fixed(rate / kMega)
         << " MB/s ";
  } else {
    line << done_ << '/' << total_ << ' ' << fixed(rate) << "/s ";
  }
  line << duration(static_cast<double>(total_ - std::min(done_, total_)) / rate) << " left";
  write_to_terminal(line.str());
  is_drawn_ = true;
  drawn_at_ = now;
}

}  // namespace vitq
