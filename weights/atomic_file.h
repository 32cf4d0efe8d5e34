#pragma once
// A file that appears whole or not at all: written without a name in the same folder, synced, named, renamed over the
// target. Whoever reads the target sees the old content or the new, never half of either.

#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>

namespace vitq {

/// Until commit() the target is untouched, and what is written goes with the object, or with the process, however that
/// ends. Only where the file system knows no files without a name (O_TMPFILE: NFS, some network and FUSE ones) it is
/// `.vitq-PID-N.tmp` beside the target from the beginning, however long the target's own name: the destructor removes
/// it, a process that is killed leaves it.
class AtomicFile {
 public:
  /// Throws where the folder is missing or may not be written, where the name is longer than the file system takes, or
  /// where `target` exists and is no regular file (so that /dev/null is never replaced). A symbolic link is followed:
  /// the file that it names is replaced.
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
  void open_without_name();
  void open_temporary();
  [[nodiscard]] std::filesystem::path temporary_name(int attempt) const;
  /// Gives the file that has none a temporary name. Whether that could be done.
  bool give_name();
  [[noreturn]] void fail_to(const char* action) const;

  std::filesystem::path target_;
  std::filesystem::path temporary_;  ///< empty while there is nothing to remove
  int fd_ = -1;
};

/// Throws what AtomicFile(target) would: asked before work whose result goes there.
void check_writable(const std::filesystem::path& target);

}  // namespace vitq
