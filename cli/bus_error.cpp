#include "cli/bus_error.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace vitq {
namespace {

constexpr int kFailure = 1;

/// /proc/self/maps, one character at a time: in a signal handler nothing may be allocated.
class Maps {
 public:
  Maps() : fd_(::open("/proc/self/maps", O_RDONLY | O_CLOEXEC)) {}
  ~Maps() {
    if (fd_ >= 0) ::close(fd_);
  }
  Maps(const Maps&) = delete;
  Maps& operator=(const Maps&) = delete;

  /// 0 at the end.
  char next() {
    if (at_ == count_) {
      const ssize_t got = fd_ < 0 ? 0 : ::read(fd_, buffer_.data(), buffer_.size());
      count_ = got > 0 ? static_cast<std::size_t>(got) : 0;
      at_ = 0;
    }
    return at_ < count_ ? buffer_[at_++] : '\0';
  }

  /// A hexadecimal number and the one character behind it.
  std::uintptr_t number() {
    std::uintptr_t value = 0;
    for (char c = next();; c = next()) {
      const bool is_digit = c >= '0' && c <= '9';
      if (!is_digit && (c < 'a' || c > 'f')) return value;
      value = value * 16 + static_cast<std::uintptr_t>(is_digit ? c - '0' : c - 'a' + 10);
    }
  }

 private:
  int fd_;
  std::array<char, 1024> buffer_{};
  std::size_t at_ = 0;
  std::size_t count_ = 0;
};

struct FileName {
  std::array<char, 1024> text{};
  std::size_t size = 0;  ///< 0: it is no mapping of a file
};

/// The file whose mapping `address` lies in. A line is "BEGIN-END RIGHTS OFFSET DEVICE INODE   NAME".
FileName file_at(std::uintptr_t address) {
  constexpr int kFieldsBetween = 4;
  Maps maps;
  FileName name;
  while (name.size == 0) {
    const std::uintptr_t begin = maps.number();
    const std::uintptr_t end = maps.number();
    if (end == 0) break;
    const bool is_it = begin <= address && address < end;
    int fields = 0;
    char c = maps.next();
    for (; c != '\n' && c != '\0' && fields < kFieldsBetween; c = maps.next()) fields += c == ' ' ? 1 : 0;
    while (c == ' ') c = maps.next();
    for (; c != '\n' && c != '\0'; c = maps.next()) {
      const bool is_safe = static_cast<unsigned char>(c) >= ' ' && c != '\x7f';
      if (is_it && name.size < name.text.size()) name.text[name.size++] = is_safe ? c : '?';
    }
    if (is_it) break;
  }
  return name;
}

void say(std::string_view text) {
  // Where it cannot be said there is nobody to tell.
  [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, text.data(), text.size());
}

void on_bus_error(int, siginfo_t* info, void*) {
  const FileName name =
      info->si_code == BUS_ADRERR ? file_at(reinterpret_cast<std::uintptr_t>(info->si_addr)) : FileName{};
  if (name.size == 0 || name.text[0] != '/') return;  // it comes again, and the handler is gone by then
  say("vitq: error: ");
  say({name.text.data(), name.size});
  say(": was cut short by another program while vitq was reading it; run vitq again once the file is whole\n");
  ::_exit(kFailure);
}

}  // namespace

void explain_bus_errors() {
  struct sigaction action {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO | static_cast<int>(SA_RESETHAND);
  ::sigaction(SIGBUS, &action, nullptr);
}

}  // namespace vitq
