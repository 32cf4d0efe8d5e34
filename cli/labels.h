#pragma once
// Pictures whose class is known: from a list, or from the directories they lie in.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace vitq {

struct LabelledPicture {
  std::filesystem::path path;
  int label = 0;  ///< class index
};

/// A text file with the header line `file,label` and then NAME,INDEX per picture: a file of the directory `images` and
/// a class index below `classes`. No quotes: a name may hold commas, the last one counts. CRLF, a byte order mark and
/// empty lines are fine. Throws Error naming the line for anything else, a missing picture included.
std::vector<LabelledPicture> read_labels(const std::filesystem::path& csv, const std::filesystem::path& images,
                                         std::int64_t classes);

/// The pictures of the directories in `images`, each directory a class. It is called as the class is (without regard to
/// case, `_` for blanks) or, for the 1000 classes of ImageNet, by wnid; where one is not and there are as many
/// directories as classes, they are the classes in the order of their names. The first picture of every class comes
/// first, then the second of every class: the head of the list is as mixed as all of it.
/// Throws Error naming the directory that fits no class, and where there are no directories or no pictures.
std::vector<LabelledPicture> read_class_folders(const std::filesystem::path& images,
                                                const std::vector<std::string>& class_names);

}  // namespace vitq
