#pragma once
// One process at a time works in a folder.

#include <filesystem>
#include <string>

namespace vitq {

class FolderLock {
 public:
  /// Makes `folder`, whose parent exists, and locks it. Throws Error where that may not be done, or another process has
  /// it, which is called `worker` there.
  FolderLock(const std::filesystem::path& folder, const std::string& worker);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int fd_ = -1;
};

}  // namespace vitq
