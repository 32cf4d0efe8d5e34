#include "cli/load.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <string>

namespace vitq {
namespace {

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
}

/// Busy seconds of all CPUs since the machine started.
std::optional<double> busy_seconds() {
  std::ifstream file("/proc/stat");
  std::string word;
  double user = 0;
  double nice = 0;
  double system = 0;
  double idle = 0;
  double waiting = 0;
  double interrupts = 0;
  double soft_interrupts = 0;
  double stolen = 0;
  file >> word >> user >> nice >> system >> idle >> waiting >> interrupts >> soft_interrupts >> stolen;
  if (!file || word != "cpu") return std::nullopt;
  const double ticks = user + nice + system + interrupts + soft_interrupts + stolen;
  return ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace

LoadWatch::LoadWatch() : start_(now()) {}

LoadWatch::Seconds LoadWatch::now() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now().time_since_epoch();
  return {.wall = wall.count(), .own = seconds_of(usage.ru_utime) + seconds_of(usage.ru_stime), .all = busy_seconds()};
}

std::optional<double> LoadWatch::others() const {
  constexpr double kLeastSeconds = 0.1;
  const Seconds end = now();
  const double wall = end.wall - start_.wall;
  if (!start_.all || !end.all || wall < kLeastSeconds) return std::nullopt;
  const double others = (*end.all - *start_.all) - (end.own - start_.own);
  return std::max(0.0, others / wall);
}

}  // namespace vitq
