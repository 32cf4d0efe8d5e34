#pragma once
// A file on its way: NAME.part beside the place it is meant for, and NAME.part.json, which says what it is a part of,
// so that another run can go on where this one was cut. One process at a time works on it.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

namespace vitq {

/// Of which file something is a part. All from the server: a stranger's text, but printable ASCII.
struct PartOrigin {
  std::string address{};
  std::string etag{};                    ///< a strong one, with its quotes; empty: none
  std::string sha256{};                  ///< of the whole file, 64 hexadecimal digits; empty: not told
  std::optional<std::uint64_t> total{};  ///< bytes of the whole file

  /// Whether the server can be asked for the rest of the same file.
  [[nodiscard]] bool is_known() const { return !etag.empty() || !sha256.empty(); }
};

class PartFile {
 public:
  /// Opens or makes TARGET.part and locks it. A part of nothing known is emptied. Throws Error where the folder may not
  /// be written, TARGET.part is no regular file, or another process works on it.
  explicit PartFile(const std::filesystem::path& target);
  /// Leaves the part for another run; without content or without origin there is nothing to go on with and it is
  /// removed.
  ~PartFile();
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }
  /// Bytes.
  [[nodiscard]] std::uint64_t size() const { return size_; }
  [[nodiscard]] const PartOrigin& origin() const { return origin_; }
  [[nodiscard]] bool is_resumable() const { return size_ > 0 && origin_.is_known(); }

  /// Empties it; what is appended from here on is of `origin`. Throws Error.
  void restart(const PartOrigin& origin);
  /// Throws Error where the system refuses, a full disk above all; what went in before that is kept.
  void append(std::span<const std::uint8_t> bytes);
  /// Syncs it and renames it over the target (a symbolic link is replaced, not followed). Call once, last.
  void commit();

 private:
  bool open_and_lock();
  void load_origin();
  [[noreturn]] void fail_to(const char* action) const;

  std::filesystem::path target_;
  std::filesystem::path path_;
  std::filesystem::path origin_path_;
  PartOrigin origin_;
  std::uint64_t size_ = 0;
  int fd_ = -1;
  bool is_committed_ = false;
};

}  // namespace vitq
