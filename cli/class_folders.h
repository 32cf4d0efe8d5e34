#pragma once
// Which class each folder of pictures stands for. A name that says it counts; order counts only where no name says
// anything, and is told. Evidence against a guess ends it with an error.

#include <filesystem>
#include <string>
#include <vector>

#include "cli/notices.h"

namespace vitq {

struct FolderClasses {
  std::vector<int> classes;  ///< of each folder
  std::string matched;       ///< "by name", "by wnid", "by name and wnid", "by number" or "by order"
};

/// `folders`: those of `images` that hold pictures, sorted; at least one. In turn: each is called as a class (see
/// ClassNames) or, for the 1000 classes of ImageNet, begins with a wnid; all are numbers, the indices of classes; none
/// is called as a class or by a number, and there are as many as classes: then they are taken in their order, which is
/// said. Folders that mean one class are said too.
/// Throws Error for all else: a folder of another name beside known ones (with the nearest class), a name of two
/// classes, a number out of range, an order that depends on how numbers in names are read, an order that gives a folder
/// another class than the one it is nearly called as.
FolderClasses classes_of_folders(const std::filesystem::path& images, const std::vector<std::filesystem::path>& folders,
                                 const std::vector<std::string>& class_names, const Notices& notices);

}  // namespace vitq
