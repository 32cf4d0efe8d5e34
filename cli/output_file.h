#pragma once
// Whether a file may be written, asked before the work and not after it.

#include <filesystem>

namespace vitq {

/// Throws Error where the folder of `path` does not exist, where `path` exists, unless `may_replace`, and where no file
/// of that name could be made.
void check_output_file(const std::filesystem::path& path, bool may_replace);

/// Throws Error where `path`, to be written, is the file `input`, which `option` named, under whatever name.
void check_not_input(const std::filesystem::path& path, const std::filesystem::path& input, const std::string& option);

}  // namespace vitq
