#include "cli/part_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "engine/error.h"
#include "weights/atomic_file.h"

namespace vitq {
namespace fs = std::filesystem;
namespace {

fs::path with_ending(fs::path path, const char* ending) { return path += ending; }

std::string content_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void sync_folder(const fs::path& folder) {
  // The content is safe and in place; some file systems cannot sync a folder, and that is no failure of ours.
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) return;
  ::fsync(fd);
  ::close(fd);
}

}  // namespace

PartFile::PartFile(const fs::path& target, const std::string& worker)
    : target_(target), path_(with_ending(target, ".part")), note_path_(with_ending(target, ".part.json")) {
  // Again where another process has put its file in place between our opening and our locking of it.
  while (!open_and_lock(worker)) {
  }
  if (size_ == 0) return;
  note_ = content_of(note_path_);
  if (note_.empty()) restart("");
}

PartFile::~PartFile() {
  if (fd_ < 0) return;
  // Before the lock goes with the descriptor.
  if (!is_committed_ && !is_resumable()) {
    ::unlink(note_path_.c_str());
    ::unlink(path_.c_str());
  }
  ::close(fd_);
}

/// False where what was opened is no longer what lies under the name.
bool PartFile::open_and_lock(const std::string& worker) {
  const int fd = ::open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0666);
  if (fd < 0) fail_to("be opened for writing");
  struct stat opened {};
  struct stat named {};
  const bool is_locked = ::flock(fd, LOCK_EX | LOCK_NB) == 0;
  const int lock_error = is_locked ? 0 : errno;
  const bool is_same = ::fstat(fd, &opened) == 0 && ::lstat(path_.c_str(), &named) == 0 &&
                       opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
  if (is_locked && is_same && S_ISREG(opened.st_mode)) {
    fd_ = fd;
    size_ = static_cast<std::uint64_t>(opened.st_size);
    return true;
  }
  ::close(fd);
  check(is_locked || lock_error != EWOULDBLOCK, ErrorCode::kFile, path_.string(), ": another ", worker,
        " is at work on it; wait until it has finished");
  check(is_locked, ErrorCode::kFile, path_.string(), ": cannot be locked: ", std::strerror(lock_error));
  check(!is_same, ErrorCode::kFile, path_.string(), ": is not a regular file; remove it");
  return false;
}

void PartFile::restart(const std::string& note) {
  shorten(0);
  note_ = note;
  if (note.empty()) {
    ::unlink(note_path_.c_str());
    return;
  }
  AtomicFile file(note_path_);
  file.write(note);
  file.commit();
}

void PartFile::shorten(std::uint64_t size) {
  if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) fail_to("be cut");
  size_ = size;
}

void PartFile::append(std::span<const std::uint8_t> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      fail(ErrorCode::kFile, path_.string(), ": cannot be written: ", std::strerror(errno),
           is_resumable() ? "; what came so far is kept, another run can go on from there" : "");
    }
    size_ += static_cast<std::uint64_t>(written);
    bytes = bytes.subspan(static_cast<std::size_t>(written));
  }
}

void PartFile::commit() {
  if (::fsync(fd_) != 0) fail_to("be written");
  if (::rename(path_.c_str(), target_.c_str()) != 0) fail_to("be put in place");
  is_committed_ = true;
  ::unlink(note_path_.c_str());
  sync_folder(target_.has_parent_path() ? target_.parent_path() : fs::path("."));
}

void PartFile::fail_to(const char* action) const {
  fail(ErrorCode::kFile, path_.string(), ": cannot ", action, ": ", std::strerror(errno));
}

}  // namespace vitq
