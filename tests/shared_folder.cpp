#include "tests/shared_folder.h"

#include <cstdlib>
#include <stdexcept>
#include <string>

namespace vitq::test {

std::optional<std::filesystem::path> shared_folder() {
  const char* named = std::getenv("VITQ_SHARED");
  if (named != nullptr && *named != '\0') {
    if (!std::filesystem::is_directory(named)) {
      throw std::runtime_error(std::string("VITQ_SHARED is not a directory: ") + named);
    }
    return named;
  }
  std::filesystem::path beside = std::filesystem::path(VITQ_SOURCE_DIR).parent_path() / "shared";
  if (!std::filesystem::is_directory(beside)) return std::nullopt;
  return beside;
}

}  // namespace vitq::test
