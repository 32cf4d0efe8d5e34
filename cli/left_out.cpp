#include "cli/left_out.h"

#include <algorithm>
#include <cctype>
#include <vector>

namespace vitq {
namespace {

/// The most that are named; the rest is counted.
constexpr std::size_t kMostEndings = 8;

void append(std::string& text, std::size_t count, const std::string& what) {
  text += (text.empty() ? "" : ", ") + std::to_string(count) + ' ' + what;
}

}  // namespace

std::string ending_of(const std::filesystem::path& file) {
  std::string ending = file.extension().string();
  std::ranges::transform(ending, ending.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return ending == "." ? "" : ending;
}

void LeftOut::add_file(const std::filesystem::path& file) {
  const std::string ending = ending_of(file);
  if (ending.empty()) {
    ++nameless_;
  } else {
    ++endings_[ending];
  }
}

void LeftOut::add(const std::string& noun, const std::string& rest, std::size_t count) {
  if (count > 0) others_[{noun, rest}] += count;
}

void LeftOut::add(const LeftOut& other) {
  for (const auto& [ending, count] : other.endings_) endings_[ending] += count;
  for (const auto& [kind, count] : other.others_) others_[kind] += count;
  nameless_ += other.nameless_;
}

std::string LeftOut::text() const {
  std::vector<std::pair<std::string, std::size_t>> endings(endings_.begin(), endings_.end());
  std::ranges::stable_sort(endings, std::ranges::greater(), [](const auto& entry) { return entry.second; });
  std::string text;
  std::size_t more = 0;
  for (std::size_t i = 0; i < endings.size(); ++i) {
    if (i < kMostEndings) {
      append(text, endings[i].second, endings[i].first);
    } else {
      more += endings[i].second;
    }
  }
  if (more > 0) append(text, more, "with other endings");
  if (nameless_ > 0) append(text, nameless_, "without an ending");
  for (const auto& [kind, count] : others_) append(text, count, kind.first + (count == 1 ? " " : "s ") + kind.second);
  return text;
}

}  // namespace vitq
