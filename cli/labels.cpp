#include "cli/labels.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <fstream>
#include <map>
#include <optional>

#include "cli/output.h"
#include "cli/pictures.h"
#include "engine/error.h"
#include "models/imagenet_classes.h"
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

/// How names of classes and directories are compared.
std::string folded(std::string_view name) {
  std::string text(name);
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return c == '_' ? ' ' : static_cast<char>(std::tolower(c)); });
  return text;
}

/// Class of each directory.
std::vector<int> classes_of(const std::vector<fs::path>& directories, const std::vector<std::string>& class_names,
                            const fs::path& images) {
  std::map<std::string, int> index_of;
  for (std::size_t i = 0; i < class_names.size(); ++i) index_of.emplace(folded(class_names[i]), static_cast<int>(i));
  const auto wnids = imagenet_wnids();
  if (class_names.size() == wnids.size()) {
    for (std::size_t i = 0; i < wnids.size(); ++i) index_of.emplace(wnids[i], static_cast<int>(i));
  }
  std::vector<int> classes;
  for (const fs::path& directory : directories) {
    const auto found = index_of.find(folded(directory.filename().string()));
    if (found != index_of.end()) {
      classes.push_back(found->second);
      continue;
    }
    check(directories.size() == class_names.size(), ErrorCode::kFormat, directory.string(),
          ": the directory is called as no class of the model; expected class names (the first is ",
          printable(class_names.front()), "), ImageNet's wnids, or exactly ", class_names.size(),
          " directories, found ", directories.size(), " in ", images.string());
    classes.resize(directories.size());
    for (std::size_t i = 0; i < classes.size(); ++i) classes[i] = static_cast<int>(i);
    return classes;
  }
  return classes;
}

}  // namespace

std::vector<LabelledPicture> read_labels(const fs::path& csv, const fs::path& images, std::int64_t classes) {
  std::error_code ignored;
  check(fs::exists(csv, ignored), ErrorCode::kFile, csv.string(),
        ": there is no such file; expected the list of labels (--labels)");
  const MappedFile file(csv);
  std::string_view text(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);
  const std::string_view header = next_line(text);
  check(header == "file,label", ErrorCode::kFormat, csv.string(), " line 1: found ",
        header.empty() ? "nothing" : printable(header), ", expected the header file,label");
  std::vector<LabelledPicture> pictures;
  for (int number = 2; !text.empty(); ++number) {
    const std::string_view line = next_line(text);
    if (line.empty()) continue;
    pictures.push_back(parse_line(line, csv.string() + " line " + std::to_string(number) + ": ", images, classes));
  }
  check(!pictures.empty(), ErrorCode::kFormat, csv.string(),
        ": no pictures are listed; expected lines FILE,LABEL below the header");
  return pictures;
}

std::vector<LabelledPicture> read_class_folders(const fs::path& images, const std::vector<std::string>& class_names) {
  const std::vector<fs::path> directories = directories_in(images);
  check(!directories.empty(), ErrorCode::kFile, images.string(),
        ": there are no directories in it; expected one per class, or --labels with the class of each picture");
  const std::vector<int> classes = classes_of(directories, class_names, images);
  std::vector<std::vector<fs::path>> pictures;
  std::size_t most = 0;
  for (const fs::path& directory : directories) {
    pictures.push_back(pictures_in(directory));
    most = std::max(most, pictures.back().size());
  }
  check(most > 0, ErrorCode::kFile, images.string(), ": no pictures in its directories; expected files that end in ",
        picture_endings());
  std::vector<LabelledPicture> mixed;
  for (std::size_t turn = 0; turn < most; ++turn) {
    for (std::size_t d = 0; d < directories.size(); ++d) {
      if (turn < pictures[d].size()) mixed.push_back({std::move(pictures[d][turn]), classes[d]});
    }
  }
  return mixed;
}

}  // namespace vitq
