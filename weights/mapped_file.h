#pragma once
// A whole file, mapped read-only into memory: opening costs nothing and only the pages that are read are loaded.
// Promise asked of the user: the file is not shortened while it is open (reading a page that has gone is SIGBUS).
// Replacing it by rename, as AtomicFile does, is safe: the mapping keeps the old file.

#include <cstdint>
#include <filesystem>
#include <span>

namespace vitq {

/// Move-only; the bytes stay where they are when it is moved.
class MappedFile {
 public:
  /// Throws where `path` is missing, may not be read, or is no regular file (never waits on a pipe).
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  /// All of the file; starts on a page boundary, empty for an empty file.
  std::span<const std::uint8_t> bytes() const { return {data_, size_}; }

  /// Gives the loaded pages back to the system; a later read loads them again. For lower peak memory, once copied.
  void drop_pages() const;

 private:
  const std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace vitq
