#include "cli/folder_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "engine/error.h"

namespace vitq {
namespace {

/// Nothing (-1) where the folder has another name by now: its owner has finished with it.
int lock(const std::filesystem::path& folder, const std::string& worker) {
  if (::mkdir(folder.c_str(), 0777) != 0) {
    check(errno == EEXIST, ErrorCode::kFile, folder.string(), ": the folder cannot be made: ", std::strerror(errno));
  }
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) return -1;
  check(fd >= 0, ErrorCode::kFile, folder.string(), ": cannot be opened: ", std::strerror(errno));
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    const int error = errno;
    ::close(fd);
    check(error != EWOULDBLOCK, ErrorCode::kFile, folder.string(), ": another ", worker,
          " is at work in it; wait until it has finished");
    fail(ErrorCode::kFile, folder.string(), ": cannot be locked: ", std::strerror(error));
  }
  struct stat opened {};
  struct stat named {};
  const bool is_same = ::fstat(fd, &opened) == 0 && ::lstat(folder.c_str(), &named) == 0 &&
                       opened.st_dev == named.st_dev && opened.st_ino == named.st_ino;
  if (is_same) return fd;
  ::close(fd);
  return -1;
}

}  // namespace

FolderLock::FolderLock(const std::filesystem::path& folder, const std::string& worker) {
  while (fd_ < 0) fd_ = lock(folder, worker);
}

FolderLock::~FolderLock() { ::close(fd_); }

}  // namespace vitq
