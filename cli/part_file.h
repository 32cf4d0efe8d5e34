#pragma once
// A file on its way: NAME.part beside the place it is meant for, and NAME.part.json, a note of what it is a part of, so
// that another run can go on where this one was cut. One process at a time works on it.

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace vitq {

class PartFile {
 public:
  /// Opens or makes TARGET.part and locks it. A part without a note is emptied. Throws Error where the folder may not
  /// be written, TARGET.part is no regular file, or another process works on it, which is called `worker` there.
  PartFile(const std::filesystem::path& target, const std::string& worker);
  /// Leaves the part for another run; without content or without a note there is nothing to go on with and it is
  /// removed.
  ~PartFile();
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// Bytes.
  [[nodiscard]] std::uint64_t size() const { return size_; }
  /// What restart() of an earlier run was given, or somebody wrote there: a stranger's text.
  [[nodiscard]] const std::string& note() const { return note_; }
  [[nodiscard]] bool is_resumable() const { return size_ > 0 && !note_.empty(); }

  /// Empties it; what is appended from here on is of `note`, of which an empty one leaves no part behind. Throws Error.
  void restart(const std::string& note);
  /// Cuts it to `size` bytes, at most what it has. Throws Error.
  void shorten(std::uint64_t size);
  /// Throws Error where the system refuses, a full disk above all; what went in before that is kept.
  void append(std::span<const std::uint8_t> bytes);
  /// Syncs it and renames it over the target (a symbolic link is replaced, not followed). Call once, last.
  void commit();

 private:
  bool open_and_lock(const std::string& worker);
  [[noreturn]] void fail_to(const char* action) const;

  std::filesystem::path target_;
  std::filesystem::path path_;
  std::filesystem::path note_path_;
  std::string note_;
  std::uint64_t size_ = 0;
  int fd_ = -1;
  bool is_committed_ = false;
};

}  // namespace vitq
