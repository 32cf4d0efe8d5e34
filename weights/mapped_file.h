#pragma once
// A whole file, mapped read-only into memory: opening costs nothing and only the pages that are read are loaded.
// Replacing the file by rename, as AtomicFile and most programs do, is safe: the mapping keeps the old one. Asked of
// the user: nobody writes into the file itself while it is open. Where somebody does, names, shapes and places stay as
// they were when it was opened and values may be wrong; and where it is cut short, reading a page that has gone is
// SIGBUS, which ends the process. The library installs no signal handler; the program does (cli/bus_error.h) and ends
// with a message that names the file.

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
