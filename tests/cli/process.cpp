#include "tests/cli/process.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <stdexcept>
#include <thread>

namespace vitq::test {
namespace {

constexpr std::chrono::seconds kTimeout{VITQ_PROGRAM_SECONDS};
constexpr int kNotStarted = 127;

struct Channel {
  int read = -1;
  int write = -1;
};

Channel make_pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::runtime_error("cannot make a pipe");
  return {ends[0], ends[1]};
}

Channel make_terminal() {
  Channel terminal;
  if (::openpty(&terminal.read, &terminal.write, nullptr, nullptr, nullptr) != 0) {
    throw std::runtime_error("cannot make a terminal");
  }
  ::fcntl(terminal.read, F_SETFD, FD_CLOEXEC);
  ::fcntl(terminal.write, F_SETFD, FD_CLOEXEC);
  return terminal;
}

void drop_privilege() {
  if (::geteuid() != 0) return;
  // What is not in the bounding set is lost with exec.
  const bool is_dropped =
      ::prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE) == 0 && ::prctl(PR_CAPBSET_DROP, CAP_DAC_READ_SEARCH) == 0;
  if (!is_dropped) ::_exit(kNotStarted);
}

}  // namespace

std::string program() {
  const char* chosen = std::getenv("VITQ_PROGRAM");
  return chosen != nullptr && *chosen != '\0' ? chosen : VITQ_PROGRAM;
}

namespace {

void limit(int resource, const std::optional<rlim_t>& most) {
  if (!most) return;
  const rlimit both = {*most, *most};
  if (::setrlimit(static_cast<__rlimit_resource>(resource), &both) != 0) ::_exit(kNotStarted);
}

[[noreturn]] void become_vitq(std::vector<std::string> words, const Setting& setting, int out, int err) {
  ::signal(SIGINT, SIG_DFL);  // doctest's handler would report a test that crashed
  for (const auto& [name, value] : setting.environment) ::setenv(name.c_str(), value.c_str(), 1);
  if (setting.without_privilege) drop_privilege();
  limit(RLIMIT_AS, setting.most_memory);
  limit(RLIMIT_FSIZE, setting.most_file_size);
  ::dup2(::open("/dev/null", O_RDONLY), STDIN_FILENO);
  ::dup2(setting.out == Stdout::kFull ? ::open("/dev/full", O_WRONLY) : out, STDOUT_FILENO);
  if (setting.out == Stdout::kClosed) ::close(STDOUT_FILENO);
  ::dup2(err, STDERR_FILENO);
  ::signal(SIGPIPE, SIG_DFL);
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  ::execv(argv.front(), argv.data());
  ::_exit(kNotStarted);
}

/// Appends what is there to `text`. False at the end.
bool drain(int fd, std::string& text) {
  std::array<char, 4096> buffer{};
  const ssize_t count = ::read(fd, buffer.data(), buffer.size());
  if (count > 0) text.append(buffer.data(), static_cast<std::size_t>(count));
  return count > 0 || (count < 0 && errno == EINTR);  // a terminal ends with an error
}

/// Reads both until both are at their end. False when that took too long.
bool collect(int out, int err, Outcome& outcome) {
  std::array<pollfd, 2> watched{pollfd{out, POLLIN, 0}, pollfd{err, POLLIN, 0}};
  const std::array<std::string*, 2> texts{&outcome.out, &outcome.err};
  const auto end = std::chrono::steady_clock::now() + kTimeout;
  while (watched[0].fd >= 0 || watched[1].fd >= 0) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now()).count();
    if (left <= 0) return false;
    if (::poll(watched.data(), watched.size(), static_cast<int>(left)) <= 0) continue;
    for (std::size_t i = 0; i < watched.size(); ++i) {
      const bool has_news = watched[i].fd >= 0 && watched[i].revents != 0;
      if (has_news && !drain(watched[i].fd, *texts[i])) watched[i].fd = -1;  // poll leaves out what is negative
    }
  }
  return true;
}

}  // namespace

bool can_drop_privilege() {
  if (::geteuid() != 0) return true;
  const pid_t child = ::fork();
  if (child == 0) {
    drop_privilege();
    ::_exit(0);
  }
  int status = 0;
  return ::waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

Outcome run_vitq(const std::vector<std::string>& args, const Setting& setting) {
  std::vector<std::string> words{setting.program.empty() ? program() : setting.program};
  words.insert(words.end(), args.begin(), args.end());
  const Channel out = make_pipe();
  const Channel err = setting.err_is_terminal ? make_terminal() : make_pipe();
  if (setting.out == Stdout::kBroken) ::close(out.read);
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("cannot start a process");
  if (child == 0) become_vitq(words, setting, out.write, err.write);
  ::close(out.write);
  ::close(err.write);

  std::thread other;
  if (setting.meanwhile) other = std::thread(setting.meanwhile, child);
  Outcome outcome;
  outcome.timed_out = !collect(setting.out == Stdout::kBroken ? -1 : out.read, err.read, outcome);
  if (outcome.timed_out) ::kill(child, SIGKILL);
  if (other.joinable()) other.join();
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (setting.out != Stdout::kBroken) ::close(out.read);
  ::close(err.read);
  if (WIFSIGNALED(status)) outcome.signal = WTERMSIG(status);
  if (WIFEXITED(status)) outcome.exit_code = WEXITSTATUS(status);
  if (outcome.exit_code == kNotStarted) throw std::runtime_error("cannot start " + words.front());
  return outcome;
}

}  // namespace vitq::test
