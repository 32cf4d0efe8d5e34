#pragma once
// A download on its way: a PartFile whose note says which file of a server it is a part of.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "cli/part_file.h"

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

class DownloadPart {
 public:
  /// As PartFile; a part of nothing known, or longer than the whole, is emptied.
  explicit DownloadPart(const std::filesystem::path& target);

  [[nodiscard]] const std::filesystem::path& path() const { return file_.path(); }
  /// Bytes.
  [[nodiscard]] std::uint64_t size() const { return file_.size(); }
  [[nodiscard]] const PartOrigin& origin() const { return origin_; }
  [[nodiscard]] bool is_resumable() const { return file_.is_resumable(); }

  /// Empties it; what is appended from here on is of `origin`. Throws Error.
  void restart(const PartOrigin& origin);
  /// As PartFile's.
  void append(std::span<const std::uint8_t> bytes) { file_.append(bytes); }
  void commit() { file_.commit(); }

 private:
  PartFile file_;
  PartOrigin origin_;
};

}  // namespace vitq
