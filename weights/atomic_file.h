#pragma once
// A file that appears whole or not at all: written under a temporary name in the same folder, synced, renamed over the
// target. Whoever reads the target sees the old content or the new, never half of either.

#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

namespace vitq {

/// Until commit() the target is untouched; without it the destructor removes the temporary file. A process that is
/// killed in between leaves `.NAME.PID-N.tmp` beside the target, which stays as it was.
class AtomicFile {
 public:
  /// Throws where the folder is missing or may not be written, or where `target` exists and is no regular file (so
  /// that /dev/null is never replaced). A symbolic link is followed: the file that it names is replaced.
  explicit AtomicFile(const std::filesystem::path& target);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// Appends. Throws where the system refuses, a full disk above all.
  void write(std::span<const std::uint8_t> bytes);
  void write(std::string_view text);

  /// Syncs, renames, syncs the folder. Call once, last.
  void commit();

 private:
  [[noreturn]] void fail_to(const char* action) const;

  std::filesystem::path target_;
  std::filesystem::path temporary_;  ///< empty once there is nothing to remove
  int fd_ = -1;
};

}  // namespace vitq
