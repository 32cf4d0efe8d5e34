#pragma once
// What the fuzz targets share. A target is one LLVMFuzzerTestOneInput that hands the bytes to one reader of strangers'
// files. It may read them or throw vitq::Error (on a command line UsageError); all else is a finding: another
// exception, a fault that a sanitizer sees, a leak, more than 2 GB of memory, more than some seconds.

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

#include "engine/error.h"

/// What libFuzzer calls. Returns 0.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace vitq::fuzz {

using Bytes = std::span<const std::uint8_t>;

inline std::string_view text_of(Bytes bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }
inline Bytes bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

/// Runs `body`, which may throw Error with a message of one line that a terminal does not obey. Whether it did not.
template <class Body>
bool succeeds(const Body& body) {
  try {
    body();
    return true;
  } catch (const Error& error) {
    const std::string_view message = error.what();
    const bool is_decent =
        !message.empty() && std::ranges::none_of(message, [](char c) { return (c >= 0 && c < ' ') || c == '\x7f'; });
    if (!is_decent) std::abort();
    return false;
  }
}

/// A file that holds `bytes` and lies in memory, for readers that ask for a path.
class MemoryFile {
 public:
  explicit MemoryFile(Bytes bytes) : fd_(::memfd_create("vitq_fuzz", MFD_CLOEXEC)) {
    if (fd_ < 0) throw std::runtime_error("cannot make a file in memory");
    for (std::size_t done = 0; done < bytes.size();) {
      const ssize_t written = ::write(fd_, bytes.data() + done, bytes.size() - done);
      if (written <= 0) throw std::runtime_error("cannot fill a file in memory");
      done += static_cast<std::size_t>(written);
    }
  }
  ~MemoryFile() { ::close(fd_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  [[nodiscard]] std::filesystem::path path() const { return "/proc/self/fd/" + std::to_string(fd_); }

 private:
  int fd_;
};

}  // namespace vitq::fuzz
