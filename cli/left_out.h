#pragma once
// What was passed over in folders, for the one line that says so: nothing is dropped in silence.

#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <utility>

namespace vitq {

class LeftOut {
 public:
  /// Counts `file` by its ending, in any case.
  void add_file(const std::filesystem::path& file);
  /// Counts `count` things of another kind: a noun, "folder", and what it is like, "without pictures".
  void add(const std::string& noun, const std::string& rest, std::size_t count = 1);
  void add(const LeftOut& other);

  [[nodiscard]] bool empty() const { return endings_.empty() && nameless_ == 0 && others_.empty(); }
  /// "3 .txt, 1 .gif, 2 without an ending": the most frequent ending first, a few of them. Holds a stranger's text.
  [[nodiscard]] std::string text() const;

 private:
  std::map<std::string, std::size_t> endings_;
  std::size_t nameless_ = 0;
  std::map<std::pair<std::string, std::string>, std::size_t> others_;
};

/// The ending of `file` in small letters, with its dot; empty where there is none.
std::string ending_of(const std::filesystem::path& file);

}  // namespace vitq
