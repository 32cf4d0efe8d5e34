#include "cli/class_folders.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <map>
#include <numeric>
#include <optional>

#include "cli/class_names.h"
#include "cli/pictures.h"
#include "cli/spelling.h"
#include "engine/error.h"
#include "models/imagenet_classes.h"
#include "weights/printable.h"

namespace vitq {
namespace fs = std::filesystem;
namespace {

/// The most names that one line lists.
constexpr std::size_t kMostListed = 5;

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_number(const std::string& name) { return !name.empty() && std::ranges::all_of(name, is_digit); }

bool has_value(const std::optional<int>& index) { return index.has_value(); }

std::string name_of(const fs::path& folder) { return folder.filename().string(); }

/// "a, b, c, ... (12 in all)".
std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kMostListed); ++i) text += (i == 0 ? "" : ", ") + names[i];
  return names.size() <= kMostListed ? text : text + ", ... (" + std::to_string(names.size()) + " in all)";
}

/// "class 3 (cat)".
std::string title(std::size_t index, const std::vector<std::string>& class_names) {
  std::string text = "class " + std::to_string(index);
  return class_names[index] == text ? text : text + " (" + printable(class_names[index]) + ")";
}

/// Of a name that begins with an ImageNet wnid: "n01443537", "n01443537_goldfish".
std::optional<int> class_of_wnid(const std::string& name) {
  constexpr std::size_t kLength = 9;
  const bool goes_on = name.size() > kLength && std::isalnum(static_cast<unsigned char>(name[kLength])) != 0;
  const auto wnids = imagenet_wnids();
  const auto found = std::ranges::lower_bound(wnids, std::string_view(name).substr(0, kLength));
  if (goes_on || found == wnids.end() || !name.starts_with(*found)) return std::nullopt;
  return static_cast<int>(found - wnids.begin());
}

/// Compares numbers in names as numbers.
bool comes_before(const std::string& a, const std::string& b) {
  std::size_t i = 0;
  std::size_t j = 0;
  const auto number = [](const std::string& text, std::size_t& at) {
    const std::size_t start = std::min(text.find_first_not_of('0', at), text.size());
    at = start;
    while (at < text.size() && is_digit(text[at])) ++at;
    return text.substr(start, at - start);
  };
  while (i < a.size() && j < b.size()) {
    if (is_digit(a[i]) && is_digit(b[j])) {
      const std::string left = number(a, i);
      const std::string right = number(b, j);
      if (left != right) return left.size() != right.size() ? left.size() < right.size() : left < right;
    } else if (a[i] != b[j]) {
      return static_cast<unsigned char>(a[i]) < static_cast<unsigned char>(b[j]);
    } else {
      ++i;
      ++j;
    }
  }
  return i == a.size() && j < b.size();
}

/// Place of the candidate that `name` is most like, if it is like one: few letters differ, or one holds the other.
std::optional<std::size_t> most_like(const std::string& name, const std::vector<std::string>& candidates) {
  constexpr std::size_t kShortest = 3;
  const std::string word = plain_spelling(name);
  std::vector<std::string> plain(candidates.size());
  std::ranges::transform(candidates, plain.begin(), plain_spelling);
  if (const auto found = nearest(word, plain)) return found;
  const auto holds = [](const std::string& text, const std::string& part) {
    return part.size() >= kShortest && text.find(part) != std::string::npos;
  };
  const auto found = std::ranges::find_if(plain, [&](const auto& p) { return holds(p, word) || holds(word, p); });
  if (found == plain.end()) return std::nullopt;
  return static_cast<std::size_t>(found - plain.begin());
}

/// "plane (airplane?)", or the name alone.
std::string with_nearest(const std::string& name, const std::vector<std::string>& candidates) {
  const auto found = most_like(name, candidates);
  return printable(name) + (found ? " (" + printable(candidates[*found]) + "?)" : "");
}

/// All that is asked about the folders of one evaluation.
class Matching {
 public:
  Matching(const fs::path& images, const std::vector<fs::path>& folders, const std::vector<std::string>& class_names)
      : images_(images), folders_(folders), class_names_(class_names), names_(class_names) {
    for (const fs::path& folder : folders_) names_of_folders_.push_back(name_of(folder));
  }

  FolderClasses match(const Notices& notices) const {
    const std::vector<std::optional<int>> known = by_name_or_wnid();
    const bool are_none_known = std::ranges::none_of(known, has_value);
    FolderClasses found;
    if (std::ranges::all_of(known, has_value)) {
      for (const auto& index : known) found.classes.push_back(*index);
      found.matched = how_known();
    } else if (are_none_known && std::ranges::all_of(names_of_folders_, is_number)) {
      found = {by_number(), "by number"};
    } else if (are_none_known && std::ranges::none_of(names_of_folders_, is_number) &&
               folders_.size() == class_names_.size() && !contradict_order()) {
      found = {by_order(notices), "by order"};
    } else {
      refuse(known);
    }
    tell_shared_classes(found.classes, notices);
    return found;
  }

 private:
  [[nodiscard]] std::optional<int> by_wnid(const std::string& name) const {
    return class_names_.size() == kImagenetClasses ? class_of_wnid(name) : std::nullopt;
  }

  [[nodiscard]] std::vector<std::optional<int>> by_name_or_wnid() const {
    std::vector<std::optional<int>> known;
    for (const std::string& name : names_of_folders_) {
      const std::vector<int> classes = names_.find(name);
      if (classes.size() > 1) refuse_ambiguous(name, classes);
      known.push_back(classes.empty() ? by_wnid(name) : std::optional(classes.front()));
    }
    return known;
  }

  /// Where all are known.
  [[nodiscard]] std::string how_known() const {
    const auto by_name =
        std::ranges::count_if(names_of_folders_, [&](const auto& n) { return !names_.find(n).empty(); });
    if (by_name == 0) return "by wnid";
    return by_name == std::ssize(names_of_folders_) ? "by name" : "by name and wnid";
  }

  [[nodiscard]] std::vector<int> by_number() const {
    std::vector<int> classes;
    for (const std::string& name : names_of_folders_) {
      std::size_t index = class_names_.size();
      std::from_chars(name.data(), name.data() + name.size(), index);
      check(index < class_names_.size(), ErrorCode::kFormat, images_.string(), ": a folder is called ", printable(name),
            ", expected numbers from 0 to ", class_names_.size() - 1, ", the indices of the model's classes",
            index == class_names_.size() ? " (these may count from 1)" : "");
      classes.push_back(static_cast<int>(index));
    }
    return classes;
  }

  [[nodiscard]] std::vector<int> by_order(const Notices& notices) const {
    const auto unclear = std::ranges::is_sorted_until(names_of_folders_, comes_before);
    if (unclear != names_of_folders_.end()) {
      fail(ErrorCode::kFormat, images_.string(),
           ": no folder is called as a class of the model, and their order is not clear: ", printable(*(unclear - 1)),
           " comes before ", printable(*unclear),
           " by letters and behind it by number; name them as the classes, or by ", "number from 0 to ",
           class_names_.size() - 1);
    }
    std::vector<int> classes(folders_.size());
    std::iota(classes.begin(), classes.end(), 0);
    const std::size_t last = folders_.size() - 1;
    notices.say(text_of(images_.string(), ": no folder is called as a class of the model: taken in order, ",
                        printable(names_of_folders_.front()), " -> ", title(0, class_names_), ", ",
                        printable(names_of_folders_.back()), " -> ", title(last, class_names_)));
    return classes;
  }

  /// Whether a folder is called nearly as another class than its place gives it. (Not asked where that would take
  /// long.)
  [[nodiscard]] bool contradict_order() const {
    constexpr std::size_t kMostFolders = 1000;
    for (std::size_t i = 0; i < folders_.size() && folders_.size() <= kMostFolders; ++i) {
      std::vector<std::string> candidates{class_names_[i]};  // first, so that it counts where another is as near
      candidates.insert(candidates.end(), class_names_.begin(), class_names_.end());
      const auto found = most_like(names_of_folders_[i], candidates);
      if (found && candidates[*found] != class_names_[i]) return true;
    }
    return false;
  }

  [[noreturn]] void refuse_ambiguous(const std::string& name, const std::vector<int>& classes) const {
    std::vector<std::string> titles;
    titles.reserve(classes.size());
    for (const int index : classes) titles.push_back(title(static_cast<std::size_t>(index), class_names_));
    fail(ErrorCode::kFormat, images_.string(), ": the folder ", printable(name), " can mean ", titles.size(),
         " classes of the model: ", listed(titles), "; call it by a name of one of them",
         class_names_.size() == kImagenetClasses ? " or by its wnid" : "");
  }

  [[noreturn]] void refuse(const std::vector<std::optional<int>>& known) const;
  [[nodiscard]] std::string folder_below_that_fits() const;

  void tell_shared_classes(const std::vector<int>& classes, const Notices& notices) const {
    std::map<int, std::size_t> first_of;
    std::vector<std::string> shared;
    for (std::size_t i = 0; i < classes.size(); ++i) {
      const auto [first, is_new] = first_of.emplace(classes[i], i);
      if (is_new) continue;
      shared.push_back(printable(names_of_folders_[first->second]) + " and " + printable(names_of_folders_[i]) +
                       " are both " + title(static_cast<std::size_t>(classes[i]), class_names_));
    }
    if (!shared.empty()) notices.say(images_.string() + ": " + listed(shared));
  }

  const fs::path& images_;
  const std::vector<fs::path>& folders_;
  const std::vector<std::string>& class_names_;
  ClassNames names_;
  std::vector<std::string> names_of_folders_;
};

void Matching::refuse(const std::vector<std::optional<int>>& known) const {
  const bool are_some_numbers =
      std::ranges::none_of(known, has_value) && std::ranges::any_of(names_of_folders_, is_number);
  std::vector<std::string> unknown;
  std::vector<bool> has_folder(class_names_.size());
  for (std::size_t i = 0; i < known.size(); ++i) {
    if (known[i]) {
      has_folder[static_cast<std::size_t>(*known[i])] = true;
    } else if (!are_some_numbers || !is_number(names_of_folders_[i])) {
      unknown.push_back(names_of_folders_[i]);
    }
  }
  std::vector<std::string> without_folder;
  for (std::size_t c = 0; c < class_names_.size(); ++c) {
    if (!has_folder[c]) without_folder.push_back(class_names_[c]);
  }
  const std::vector<std::string>& candidates = without_folder.empty() ? class_names_ : without_folder;
  std::vector<std::string> words;
  words.reserve(unknown.size());
  for (const std::string& name : unknown) {
    words.push_back(words.size() < kMostListed ? with_nearest(name, candidates) : printable(name));
  }
  const std::string what =
      text_of(images_.string(), ": ", unknown.size(), " of its ", folders_.size(), " directories with pictures ",
              unknown.size() == 1 ? "is" : "are", " called as no class of the model: ", listed(words));
  if (unknown.size() < folders_.size()) {
    for (std::string& name : without_folder) name = printable(name);
    fail(ErrorCode::kFormat, what, are_some_numbers ? "; the others are numbers" : "",
         without_folder.empty() || are_some_numbers ? "" : "; classes without a directory: " + listed(without_folder));
  }
  const std::string order =
      folders_.size() == class_names_.size()
          ? "; they are not taken in order, for names are near those of other classes"
          : text_of(", or exactly ", class_names_.size(), " directories, found ", folders_.size());
  fail(ErrorCode::kFormat, what, "; expected class names (the first is ", printable(class_names_.front()), "), ",
       class_names_.size() == kImagenetClasses ? "ImageNet's wnids, " : "", "numbers from 0 to ",
       class_names_.size() - 1, order, folder_below_that_fits());
}

std::string Matching::folder_below_that_fits() const {
  for (const fs::path& folder : folders_) {
    for (const fs::path& below : entries_of(folder).folders) {
      const std::string name = name_of(below);
      if (names_.find(name).empty() && !by_wnid(name)) continue;
      return "; " + folder.string() + " holds " + printable(name) + ", which is one: name that directory (--images)";
    }
  }
  return "";
}

}  // namespace

FolderClasses classes_of_folders(const fs::path& images, const std::vector<fs::path>& folders,
                                 const std::vector<std::string>& class_names, const Notices& notices) {
  return Matching(images, folders, class_names).match(notices);
}

}  // namespace vitq
