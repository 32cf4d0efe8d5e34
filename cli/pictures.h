#pragma once
// Which files are meant: pictures named one by one, or all pictures of a folder and of the folders in it.
//
// In a folder, names that begin with a dot are passed over, and so are the folders that systems put beside pictures
// (__MACOSX, @eaDir, ...). A picture is what is called .jpg .jpeg .jpe .jfif .png .bmp .ppm .pgm or .pnm, in any case;
// what is called .webp or .pbm is one where its first bytes are those of a format that is read.

#include <filesystem>
#include <string>
#include <vector>

#include "cli/left_out.h"
#include "cli/notices.h"

namespace vitq {

/// What lies in one folder, each sorted by name.
struct FolderEntries {
  std::vector<std::filesystem::path> files;
  std::vector<std::filesystem::path> folders;
};

/// All but what is passed over. Throws Error where the folder cannot be read.
FolderEntries entries_of(const std::filesystem::path& folder);

/// Whether `file`, of a folder, is a picture as said above.
bool is_picture(const std::filesystem::path& file);

struct FoundPictures {
  std::vector<std::filesystem::path> pictures;  ///< sorted, part by part of their paths
  LeftOut left_out;
};

/// The pictures of `folder` and of all folders below it, links followed, each folder entered once. May be none. Throws
/// Error naming the folder that cannot be read.
FoundPictures find_pictures(const std::filesystem::path& folder);

/// `arguments` in their order, folders replaced by their pictures; what is left out in one is said. A file may be
/// called anything and need not exist. Throws Error where a folder holds no picture.
std::vector<std::filesystem::path> list_pictures(const std::vector<std::string>& arguments, const Notices& notices);

/// The endings, for messages: ".jpg, .jpeg, ...".
std::string picture_endings();

}  // namespace vitq
