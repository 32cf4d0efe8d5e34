#include "cli/output_file.h"

#include "cli/file_identity.h"
#include "engine/error.h"
#include "weights/atomic_file.h"

namespace vitq {

void check_output_file(const std::filesystem::path& path, bool may_replace) {
  std::error_code error;
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  check(std::filesystem::is_directory(folder, error), ErrorCode::kFile, path.string(),
        ": cannot be written: there is no folder ", folder.string(), "; make it first (mkdir -p)");
  check(may_replace || !std::filesystem::exists(path, error), ErrorCode::kFile, path.string(),
        ": exists already; --force replaces it");
  check_writable(path);
}

void check_not_input(const std::filesystem::path& path, const std::filesystem::path& input, const std::string& option) {
  const auto identity = identity_of(path);
  check(!identity || identity != identity_of(input), ErrorCode::kFile, path.string(), ": is the file of ", option,
        ", which is only read; name another file to write");
}

}  // namespace vitq
