#pragma once
// Pictures whose class is known: from a list, or from the folders they lie in.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "cli/left_out.h"
#include "cli/notices.h"

namespace vitq {

struct LabelledPicture {
  std::filesystem::path path;
  int label = 0;  ///< class index
};

/// The pictures of an evaluation, and how they came to be these.
struct LabelledPictures {
  std::vector<LabelledPicture> pictures;
  std::string matched;       ///< how the classes are known: "by labels file", or as FolderClasses says
  std::size_t repeated = 0;  ///< pictures that are the same file as an earlier one; they count again
  LeftOut left_out;
};

/// A text file with the header line `file,label` and then NAME,INDEX per picture: a file of the folder `images` and
/// a class index below `classes`. No quotes: a name may hold commas, the last one counts. CRLF, a byte order mark and
/// empty lines are fine. A file that is listed again is said. Throws Error naming the line for anything else, a missing
/// picture included.
LabelledPictures read_labels(const std::filesystem::path& csv, const std::filesystem::path& images,
                             std::int64_t classes, const Notices& notices);

/// How many pictures lie beside those of `pictures`, in the same folders, and are none of them. A folder that cannot be
/// read holds none.
std::size_t count_unlisted(const std::vector<LabelledPicture>& pictures);

/// The pictures of the folders in `images` and below them, each folder of `images` that holds any a class
/// (classes_of_folders() says which). The first picture of every class comes first, then the second of every class: the
/// head of the list is as mixed as all of it. What is left out is said, and so is a file that is met again.
/// Throws Error as classes_of_folders(), and where there are no folders or no pictures.
LabelledPictures read_class_folders(const std::filesystem::path& images, const std::vector<std::string>& class_names,
                                    const Notices& notices);

/// The same where classes have no names: each such folder is a class of its own, 0 being the first by name.
LabelledPictures read_nameless_folders(const std::filesystem::path& images, const Notices& notices);

}  // namespace vitq
