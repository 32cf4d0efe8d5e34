#include "cli/class_names.h"

#include <algorithm>
#include <cctype>

#include "cli/args.h"

namespace vitq {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_letter_or_digit(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte >= 0x80 || std::isalnum(byte) != 0;
}

char small(char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); }

std::string folded(std::string_view name) {
  std::string text(name);
  std::ranges::transform(text, text.begin(), [](char c) { return c == '_' ? ' ' : small(c); });
  return text;
}

std::string_view before(std::string_view text, char c) { return text.substr(0, text.find(c)); }

/// "tench" of "007.tench".
std::string_view without_number(std::string_view text) {
  const auto end = std::ranges::find_if_not(text, is_digit);
  return text.substr(static_cast<std::size_t>(end - text.begin()));
}

void add(std::map<std::string, std::vector<int>, std::less<>>& index, std::string key, int class_index) {
  if (key.empty()) return;
  std::vector<int>& classes = index[std::move(key)];
  if (classes.empty() || classes.back() != class_index) classes.push_back(class_index);
}

}  // namespace

std::string plain_spelling(std::string_view text) {
  std::string plain;
  for (const char c : text) {
    if (is_letter_or_digit(c)) {
      plain += small(c);
    } else if (!plain.empty() && plain.back() != ' ') {
      plain += ' ';
    }
  }
  if (plain.ends_with(' ')) plain.pop_back();
  if (std::ranges::all_of(plain, is_digit)) plain.erase(0, std::min(plain.find_first_not_of('0'), plain.size() - 1));
  return plain;
}

ClassNames::ClassNames(const std::vector<std::string>& names) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string& name = names[i];
    const int index = static_cast<int>(i);
    add(exact_, name, index);
    add(folded_, folded(name), index);
    add(plain_, plain_spelling(name), index);
    add(synonyms_, plain_spelling(name), index);
    add(synonyms_, plain_spelling(before(name, '(')), index);
    for (const std::string& part : comma_separated(name)) add(synonyms_, plain_spelling(part), index);
  }
}

std::vector<int> ClassNames::find(std::string_view name) const {
  const std::pair<const Index*, std::string> tries[] = {
      {&exact_, std::string(name)},
      {&folded_, folded(name)},
      {&plain_, plain_spelling(name)},
      {&synonyms_, plain_spelling(before(name, ','))},
      {&synonyms_, plain_spelling(without_number(name))},
  };
  for (const auto& [index, key] : tries) {
    const auto found = index->find(key);
    if (found != index->end()) return found->second;
  }
  return {};
}

}  // namespace vitq
