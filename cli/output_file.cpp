#include "cli/output_file.h"

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

}  // namespace vitq
