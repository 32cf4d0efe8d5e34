#include "cli/pictures.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

#include "engine/error.h"

namespace vitq {
namespace fs = std::filesystem;
namespace {

constexpr std::array<std::string_view, 6> kEndings{".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".pgm"};

bool has_picture_name(const fs::path& path) {
  std::string ending = path.extension().string();
  std::ranges::transform(ending, ending.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::ranges::find(kEndings, ending) != kEndings.end();
}

/// The entries of `directory` for which `is_wanted`, sorted.
template <class Predicate>
std::vector<fs::path> entries(const fs::path& directory, Predicate is_wanted) {
  std::vector<fs::path> found;
  std::error_code error;
  fs::directory_iterator entry(directory, error);
  for (const fs::directory_iterator end; !error && entry != end; entry.increment(error)) {
    std::error_code ignored;  // a broken link is no directory
    if (is_wanted(entry->path(), entry->is_directory(ignored))) found.push_back(entry->path());
  }
  check(!error, ErrorCode::kFile, directory.string(), ": the directory cannot be read: ", error.message());
  std::ranges::sort(found);
  return found;
}

}  // namespace

std::vector<fs::path> pictures_in(const fs::path& directory) {
  return entries(directory,
                 [](const fs::path& path, bool is_directory) { return !is_directory && has_picture_name(path); });
}

std::vector<fs::path> directories_in(const fs::path& directory) {
  return entries(directory, [](const fs::path& path, bool is_directory) {
    return is_directory && !path.filename().string().starts_with('.');
  });
}

std::vector<fs::path> list_pictures(const std::vector<std::string>& arguments) {
  std::vector<fs::path> pictures;
  for (const std::string& argument : arguments) {
    std::error_code ignored;  // what cannot be examined is told when it is opened
    if (!fs::is_directory(argument, ignored)) {
      pictures.emplace_back(argument);
      continue;
    }
    const std::vector<fs::path> inside = pictures_in(argument);
    check(!inside.empty(), ErrorCode::kFile, argument, ": no pictures in this directory; expected files that end in ",
          picture_endings());
    pictures.insert(pictures.end(), inside.begin(), inside.end());
  }
  return pictures;
}

std::string picture_endings() {
  std::string text;
  for (const std::string_view ending : kEndings) text.append(text.empty() ? "" : ", ").append(ending);
  return text;
}

}  // namespace vitq
