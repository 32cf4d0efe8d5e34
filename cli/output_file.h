#pragma once
// Whether a file may be written, asked before the work and not after it.

#include <filesystem>

namespace vitq {

/// Throws Error where the folder of `path` does not exist, and where `path` exists, unless `may_replace`.
void check_output_file(const std::filesystem::path& path, bool may_replace);

}  // namespace vitq
