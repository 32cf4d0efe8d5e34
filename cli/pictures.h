#pragma once
// Which files are meant: pictures named one by one, or all pictures of a directory.

#include <filesystem>
#include <string>
#include <vector>

namespace vitq {

/// The files of `directory` (not of directories in it) that are called .jpg .jpeg .png .bmp .ppm or .pgm in any case,
/// sorted by name. May be empty. Throws Error where it cannot be read.
std::vector<std::filesystem::path> pictures_in(const std::filesystem::path& directory);

/// The directories in `directory`, sorted by name; those that begin with a dot are left out. Throws as pictures_in.
std::vector<std::filesystem::path> directories_in(const std::filesystem::path& directory);

/// `arguments` in their order, directories replaced by their pictures. A file may be called anything and need not
/// exist. Throws Error where a directory holds no picture.
std::vector<std::filesystem::path> list_pictures(const std::vector<std::string>& arguments);

/// The endings, for messages: ".jpg, .jpeg, ...".
std::string picture_endings();

}  // namespace vitq
