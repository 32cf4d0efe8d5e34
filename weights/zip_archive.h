#pragma once
// The container of a PyTorch checkpoint: a zip whose entries are stored as they are. Read with libzip, which
// zip_archive.cpp alone sees. Sizes that a zip claims are held against the file's before anything is read.

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vitq {

/// Move-only.
class ZipArchive {
 public:
  /// Whether `bytes` begin as a zip with entries does.
  static bool begins_like_one(std::span<const std::uint8_t> bytes);

  /// `bytes`, all of a file, must outlive the archive; errors begin with `source`. Throws where the directory cannot be
  /// read, names an entry twice or more than 65,536 of them, and where all entries together claim more than the file.
  ZipArchive(std::span<const std::uint8_t> bytes, std::string source);
  ~ZipArchive();
  ZipArchive(ZipArchive&& other) noexcept;
  ZipArchive& operator=(ZipArchive&& other) noexcept;

  /// Sorted. A stranger's text.
  [[nodiscard]] std::vector<std::string> names() const;
  [[nodiscard]] bool contains(const std::string& name) const { return entries_.contains(name); }
  /// Bytes of an entry. Throws where there is none of this name, and where it is compressed or encrypted.
  [[nodiscard]] std::uint64_t size(const std::string& name) const;
  /// All of an entry, its checksum verified. Throws as size() does, and where it is damaged.
  [[nodiscard]] std::vector<std::uint8_t> read(const std::string& name) const;

 private:
  struct Handle;
  struct Entry {
    std::uint64_t index = 0;
    std::uint64_t size = 0;
    bool is_plain = false;  ///< neither compressed nor encrypted
  };

  void add_entry(std::uint64_t index);
  [[nodiscard]] const Entry& plain_entry(const std::string& name) const;

  std::string source_;
  std::unique_ptr<Handle> handle_;
  std::map<std::string, Entry> entries_;
};

}  // namespace vitq
