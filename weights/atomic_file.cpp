#include "weights/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "engine/error.h"

namespace vitq {
namespace fs = std::filesystem;
namespace {

/// Where the bytes really go: follows a symbolic link and refuses what a rename must not replace.
fs::path resolve(const fs::path& target) {
  std::error_code error;
  const fs::file_status status = fs::status(target, error);
  // Such as a name that is longer than the file system takes.
  check(status.type() != fs::file_type::none, ErrorCode::kFile, target.string(),
        ": cannot be written: ", error.message());
  check(!fs::is_directory(status), ErrorCode::kFile, target.string(),
        ": cannot be written: it is a directory, expected a file name");
  check(!fs::exists(status) || fs::is_regular_file(status), ErrorCode::kFile, target.string(),
        ": cannot be written: it is not a regular file");
  check(target.has_filename(), ErrorCode::kFile, "\"", target.string(), "\": cannot be written: expected a file name");
  if (!fs::is_symlink(fs::symlink_status(target, error))) return target;
  fs::path real = fs::canonical(target, error);
  check(!error, ErrorCode::kFile, target.string(), ": cannot be written: the symbolic link leads nowhere");
  return real;
}

// A number after the process id: another thread may be writing there, or a killed process of the same id have left its
// file.
constexpr int kAttempts = 100;

/// The file that is open as `fd`, for those who ask for a path.
std::string link_of(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

fs::path folder_of(const fs::path& file) { return file.has_parent_path() ? file.parent_path() : fs::path("."); }

}  // namespace

AtomicFile::AtomicFile(const fs::path& target) : target_(resolve(target)) {
  open_without_name();
  if (fd_ < 0) open_temporary();
  if (fd_ < 0) fail_to("be created");
}

void AtomicFile::open_without_name() {
  fd_ = ::open(folder_of(target_).c_str(), O_WRONLY | O_TMPFILE | O_CLOEXEC, 0666);  // the umask narrows it
  // It gets its name through /proc, which need not be there.
  if (fd_ >= 0 && ::access(link_of(fd_).c_str(), F_OK) != 0) ::close(std::exchange(fd_, -1));
}

void AtomicFile::open_temporary() {
  for (int attempt = 0; fd_ < 0 && attempt < kAttempts; ++attempt) {
    temporary_ = temporary_name(attempt);
    fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd_ < 0 && errno != EEXIST) break;
  }
  if (fd_ < 0) temporary_.clear();
}

fs::path AtomicFile::temporary_name(int attempt) const {
  return folder_of(target_) / text_of(".vitq-", ::getpid(), '-', attempt, ".tmp");
}

bool AtomicFile::give_name() {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const fs::path name = temporary_name(attempt);
    if (::linkat(AT_FDCWD, link_of(fd_).c_str(), AT_FDCWD, name.c_str(), AT_SYMLINK_FOLLOW) == 0) {
      temporary_ = name;
      return true;
    }
    if (errno != EEXIST) return false;
  }
  return false;
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::write(std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    constexpr std::size_t kChunk = std::size_t{1} << 30;  // one write() moves at most 2 GiB
    const ssize_t written = ::write(fd_, bytes.data(), std::min(bytes.size(), kChunk));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail_to("be written");
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void AtomicFile::write(std::string_view text) {
  write(std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
}

void AtomicFile::commit() {
  if (::fsync(fd_) != 0) fail_to("be written");
  if (temporary_.empty() && !give_name()) fail_to("be put in place");
  const int fd = std::exchange(fd_, -1);
  if (::close(fd) != 0) fail_to("be written");
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) fail_to("be put in place");
  temporary_.clear();
  // The content is safe and in place; some file systems cannot sync a folder, and that is no failure of ours.
  const int folder = ::open(folder_of(target_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder >= 0) {
    ::fsync(folder);
    ::close(folder);
  }
}

void check_writable(const fs::path& target) { const AtomicFile probe(target); }

void AtomicFile::fail_to(const char* action) const {
  fail(ErrorCode::kFile, target_.string(), ": cannot ", action, ": ", std::strerror(errno), "; nothing was changed");
}

}  // namespace vitq
