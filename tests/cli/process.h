#pragma once
// Runs the program under test as a user's shell would, and tells all that can be seen of it. A program that hangs is
// ended and reported, so that no test waits for ever.

#include <sys/resource.h>
#include <sys/types.h>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace vitq::test {

enum class Stdout {
  kCaptured,
  kFull,    ///< a device that is full
  kBroken,  ///< a pipe whose reader has gone
  kClosed,  ///< not open at all
};

struct Setting {
  std::map<std::string, std::string> environment{};  ///< on top of the test's own
  Stdout out = Stdout::kCaptured;
  bool err_is_terminal = false;
  std::string program{};                ///< another than run_vitq's usual one
  bool without_privilege = false;       ///< where the test runs as root, file modes hold for the program all the same
  std::optional<rlim_t> most_memory{};  ///< bytes of address space (ulimit -v)
  std::optional<rlim_t> most_file_size{};  ///< stands in for a full disk: a write is cut short there
  /// Called, on a thread of its own, once the program runs; it need not run any more.
  std::function<void(pid_t program)> meanwhile{};
};

struct Outcome {
  int exit_code = -1;  ///< -1: it ended by a signal
  int signal = 0;
  bool timed_out = false;
  std::string out;
  std::string err;
};

/// Whether `without_privilege` can be had here.
bool can_drop_privilege();

/// The program under test: $VITQ_PROGRAM, else the one of this build.
std::string program();

/// Runs it, or setting.program, with `args`. Throws std::runtime_error where it cannot be started.
Outcome run_vitq(const std::vector<std::string>& args, const Setting& setting = {});

}  // namespace vitq::test
