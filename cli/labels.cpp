#include "cli/labels.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <map>
#include <numeric>
#include <set>

#include "cli/class_folders.h"
#include "cli/file_identity.h"
#include "cli/output.h"
#include "cli/pictures.h"
#include "engine/error.h"
#include "weights/mapped_file.h"
#include "weights/printable.h"

namespace vitq {
namespace fs = std::filesystem;
namespace {

/// Cuts the first line off `text`, without its line end.
std::string_view next_line(std::string_view& text) {
  const std::size_t end = text.find('\n');
  std::string_view line = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

LabelledPicture parse_line(std::string_view line, const std::string& where, const fs::path& images,
                           std::int64_t classes) {
  const std::size_t comma = line.rfind(',');
  check(comma != std::string_view::npos, ErrorCode::kFormat, where, "found ", printable(line), ", expected FILE,LABEL");
  const std::string_view name = line.substr(0, comma);
  const std::string_view label = line.substr(comma + 1);
  check(!name.starts_with('"') && !label.ends_with('"'), ErrorCode::kFormat, where, "found ", printable(line),
        ", expected FILE,LABEL without quotes");
  check(!name.empty(), ErrorCode::kFormat, where, "the file name is empty");
  check(name.find('\0') == std::string_view::npos, ErrorCode::kFormat, where, "the file name holds a zero byte");
  int index = 0;
  const auto [end, error] = std::from_chars(label.data(), label.data() + label.size(), index);
  const bool is_class = error == std::errc{} && end == label.data() + label.size() && index >= 0 && index < classes;
  check(is_class, ErrorCode::kFormat, where, "label ", printable(label), ", expected a class index from 0 to ",
        classes - 1);
  fs::path path = images / fs::path(name);
  std::error_code ignored;
  check(fs::exists(path, ignored), ErrorCode::kFile, where, one_line(path.string()), ": there is no such file");
  return {std::move(path), index};
}

/// One kind of repeated pictures: how many there are, and the first of them with the one it repeats.
struct Repeats {
  std::size_t count = 0;
  const LabelledPicture* earlier = nullptr;
  const LabelledPicture* later = nullptr;

  void add(const LabelledPicture& known, const LabelledPicture& again) {
    if (count++ > 0) return;
    earlier = &known;
    later = &again;
  }
  /// "a.jpg: is listed twice WHAT; 3 more such pictures".
  [[nodiscard]] std::string text(const std::string& what) const {
    const std::string other = earlier->path == later->path ? "" : " (also as " + later->path.string() + ")";
    const std::string more = count == 1 ? "" : text_of("; ", count - 1, " more such picture", count == 2 ? "" : "s");
    return earlier->path.string() + ": is listed twice" + other + what + more;
  }
};

/// Says which files are listed more than once. Returns how many pictures repeat another.
std::size_t tell_repeats(const std::vector<LabelledPicture>& pictures, const Notices& notices) {
  std::map<FileIdentity, const LabelledPicture*> first_of;
  Repeats same;
  Repeats differing;
  for (const LabelledPicture& picture : pictures) {
    const auto identity = identity_of(picture.path);
    if (!identity) continue;
    const auto [first, is_new] = first_of.emplace(*identity, &picture);
    if (!is_new) (first->second->label == picture.label ? same : differing).add(*first->second, picture);
  }
  if (differing.count > 0) {
    notices.say(differing.text(text_of(" with two labels, ", differing.earlier->label, " and ", differing.later->label,
                                       ", and counts under each")));
  }
  if (same.count > 0) notices.say(same.text(" and counts twice"));
  return same.count + differing.count;
}

/// The first of each, then the second of each, and so on.
std::vector<LabelledPicture> mixed(std::vector<std::vector<fs::path>> folders, const std::vector<int>& classes) {
  std::size_t most = 0;
  for (const auto& pictures : folders) most = std::max(most, pictures.size());
  std::vector<LabelledPicture> list;
  for (std::size_t turn = 0; turn < most; ++turn) {
    for (std::size_t f = 0; f < folders.size(); ++f) {
      if (turn < folders[f].size()) list.push_back({std::move(folders[f][turn]), classes[f]});
    }
  }
  return list;
}

}  // namespace

LabelledPictures read_labels(const fs::path& csv, const fs::path& images, std::int64_t classes,
                             const Notices& notices) {
  std::error_code ignored;
  check(fs::exists(csv, ignored), ErrorCode::kFile, csv.string(),
        ": there is no such file; expected the list of labels (--labels)");
  const MappedFile file(csv);
  std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  const std::string_view header = next_line(text);
  check(header == "file,label", ErrorCode::kFormat, csv.string(), " line 1: found ",
        header.empty() ? "nothing" : printable(header), ", expected the header file,label");
  LabelledPictures found;
  found.matched = "by labels file";
  for (int number = 2; !text.empty(); ++number) {
    const std::string_view line = next_line(text);
    if (line.empty()) continue;
    found.pictures.push_back(
        parse_line(line, csv.string() + " line " + std::to_string(number) + ": ", images, classes));
  }
  check(!found.pictures.empty(), ErrorCode::kFormat, csv.string(),
        ": no pictures are listed; expected lines FILE,LABEL below the header");
  found.repeated = tell_repeats(found.pictures, notices);
  return found;
}

std::size_t count_unlisted(const std::vector<LabelledPicture>& pictures) {
  std::set<FileIdentity> listed;
  std::set<fs::path> folders;
  for (const LabelledPicture& picture : pictures) {
    if (const auto identity = identity_of(picture.path)) listed.insert(*identity);
    folders.insert(picture.path.parent_path());
  }
  std::size_t count = 0;
  for (const fs::path& folder : folders) {
    try {
      for (const fs::path& file : entries_of(folder.empty() ? "." : folder).files) {
        const auto identity = identity_of(file);
        count += is_picture(file) && identity && !listed.contains(*identity) ? 1 : 0;
      }
    } catch (const Error&) {
      continue;  // nobody needs to list a folder to open its files
    }
  }
  return count;
}

namespace {

/// Which class each of `folders` is.
using Naming = std::function<FolderClasses(const std::vector<fs::path>& folders)>;

LabelledPictures read_folders(const fs::path& images, const Notices& notices, const Naming& naming) {
  const FolderEntries entries = entries_of(images);
  check(!entries.folders.empty(), ErrorCode::kFile, images.string(),
        ": there are no directories in it; expected one per class, or --labels with the class of each picture");
  LabelledPictures found;
  for (const fs::path& file : entries.files) {
    if (is_picture(file)) {
      found.left_out.add("picture", "in no class folder");
    } else {
      found.left_out.add_file(file);
    }
  }
  std::vector<fs::path> folders;
  std::vector<std::vector<fs::path>> pictures;
  for (const fs::path& folder : entries.folders) {
    FoundPictures inside = find_pictures(folder);
    found.left_out.add(inside.left_out);
    if (inside.pictures.empty()) {
      found.left_out.add("folder", "without pictures");
      continue;
    }
    folders.push_back(folder);
    pictures.push_back(std::move(inside.pictures));
  }
  check(!folders.empty(), ErrorCode::kFile, images.string(),
        ": no pictures in its directories; expected files that end in ", picture_endings());
  FolderClasses known = naming(folders);
  found.matched = std::move(known.matched);
  found.pictures = mixed(std::move(pictures), known.classes);
  if (!found.left_out.empty()) notices.say(images.string() + ": left out " + found.left_out.text());
  found.repeated = tell_repeats(found.pictures, notices);
  return found;
}

}  // namespace

LabelledPictures read_class_folders(const fs::path& images, const std::vector<std::string>& class_names,
                                    const Notices& notices) {
  return read_folders(images, notices, [&](const std::vector<fs::path>& folders) {
    return classes_of_folders(images, folders, class_names, notices);
  });
}

LabelledPictures read_nameless_folders(const fs::path& images, const Notices& notices) {
  return read_folders(images, notices, [](const std::vector<fs::path>& folders) {
    FolderClasses each{.classes = std::vector<int>(folders.size()), .matched = "by folder"};
    std::iota(each.classes.begin(), each.classes.end(), 0);
    return each;
  });
}

}  // namespace vitq
