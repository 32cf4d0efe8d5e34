#pragma once
// Whether two names are the same file: links and different spellings of a path do not hide it.

#include <sys/types.h>

#include <filesystem>
#include <optional>
#include <utility>

namespace vitq {

/// Device and inode.
using FileIdentity = std::pair<dev_t, ino_t>;

/// Of the file or folder that `path` leads to; nothing where there is none.
std::optional<FileIdentity> identity_of(const std::filesystem::path& path);

}  // namespace vitq
