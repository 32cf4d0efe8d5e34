#include "cli/pictures.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <fstream>
#include <set>
#include <string_view>

#include "cli/file_identity.h"
#include "engine/error.h"
#include "engine/picture/image_header.h"

namespace vitq {
namespace fs = std::filesystem;
namespace {

constexpr std::array<std::string_view, 9> kEndings{".jpg", ".jpeg", ".jpe", ".jfif", ".png",
                                                   ".bmp", ".ppm",  ".pgm", ".pnm"};
/// Formats that are not read; but a file called so may hold one that is.
constexpr std::array<std::string_view, 2> kDoubtfulEndings{".webp", ".pbm"};

/// What macOS, Synology, QNAP and Windows leave beside people's files: thumbnails and waste, never data.
constexpr std::array<std::string_view, 6> kSystemFolders{"__MACOSX",     "@eaDir",     "#recycle",
                                                         "$RECYCLE.BIN", "lost+found", "System Volume Information"};

bool is_passed_over(const std::string& name) {
  return name.starts_with('.') || std::ranges::find(kSystemFolders, name) != kSystemFolders.end();
}

bool begins_like_a_picture(const fs::path& file) {
  std::error_code ignored;
  if (!fs::is_regular_file(file, ignored)) return false;  // reading a pipe would wait
  std::array<char, 8> start{};
  std::ifstream stream(file, std::ios::binary);
  stream.read(start.data(), start.size());
  const std::span bytes(reinterpret_cast<const std::uint8_t*>(start.data()), static_cast<std::size_t>(stream.gcount()));
  return format_of(bytes) != PictureFormat::kUnknown;
}

}  // namespace

FolderEntries entries_of(const fs::path& folder) {
  FolderEntries found;
  std::error_code error;
  fs::directory_iterator entry(folder, error);
  for (const fs::directory_iterator end; !error && entry != end; entry.increment(error)) {
    if (is_passed_over(entry->path().filename().string())) continue;
    std::error_code ignored;  // a broken link is no folder
    (entry->is_directory(ignored) ? found.folders : found.files).push_back(entry->path());
  }
  check(!error, ErrorCode::kFile, folder.string(), ": the directory cannot be read: ", error.message());
  std::ranges::sort(found.files);
  std::ranges::sort(found.folders);
  return found;
}

bool is_picture(const fs::path& file) {
  const std::string ending = ending_of(file);
  if (std::ranges::find(kEndings, ending) != kEndings.end()) return true;
  return std::ranges::find(kDoubtfulEndings, ending) != kDoubtfulEndings.end() && begins_like_a_picture(file);
}

FoundPictures find_pictures(const fs::path& folder) {
  FoundPictures found;
  std::set<FileIdentity> entered;
  std::vector<fs::path> waiting{folder};
  while (!waiting.empty()) {
    const fs::path next = std::move(waiting.back());
    waiting.pop_back();
    const auto identity = identity_of(next);
    if (identity && !entered.insert(*identity).second) {
      found.left_out.add("link", "to a folder read already");
      continue;
    }
    FolderEntries entries = entries_of(next);
    for (fs::path& file : entries.files) {
      if (is_picture(file)) {
        found.pictures.push_back(std::move(file));
      } else {
        found.left_out.add_file(file);
      }
    }
    // The first is the next to be entered.
    waiting.insert(waiting.end(), std::make_move_iterator(entries.folders.rbegin()),
                   std::make_move_iterator(entries.folders.rend()));
  }
  std::ranges::sort(found.pictures);
  return found;
}

std::vector<fs::path> list_pictures(const std::vector<std::string>& arguments, const Notices& notices) {
  std::vector<fs::path> pictures;
  for (const std::string& argument : arguments) {
    std::error_code ignored;  // what cannot be examined is told when it is opened
    if (!fs::is_directory(argument, ignored)) {
      pictures.emplace_back(argument);
      continue;
    }
    const FoundPictures found = find_pictures(argument);
    const std::string left_out = found.left_out.empty() ? "" : "left out " + found.left_out.text();
    check(!found.pictures.empty(), ErrorCode::kFile, argument,
          ": no pictures in this directory; expected files that end in ", picture_endings(),
          left_out.empty() ? "" : "; ", left_out);
    if (!left_out.empty()) notices.say(text_of(argument, ": ", left_out));
    pictures.insert(pictures.end(), found.pictures.begin(), found.pictures.end());
  }
  return pictures;
}

std::string picture_endings() {
  std::string text;
  for (const std::string_view ending : kEndings) text.append(text.empty() ? "" : ", ").append(ending);
  return text;
}

}  // namespace vitq
