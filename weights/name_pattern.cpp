#include "weights/name_pattern.h"

#include <charconv>

namespace vitq {

std::optional<MatchedName> match_name(std::string_view name, std::string_view pattern) {
  constexpr std::size_t kMostDigits = 4;
  MatchedName matched;
  std::size_t at = 0;
  for (const char c : pattern) {
    if (c == '*') {
      matched.rest = name.substr(at);
      return matched;
    }
    if (c != '#') {
      if (at == name.size() || name[at] != c) return std::nullopt;
      ++at;
      continue;
    }
    const std::string_view digits = name.substr(at, kMostDigits);
    const bool is_number = !digits.empty() && digits.front() >= '0' && digits.front() <= '9';
    std::int64_t number = 0;
    if (!is_number) return std::nullopt;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error != std::errc()) return std::nullopt;
    matched.numbers.push_back(number);
    at += static_cast<std::size_t>(end - digits.data());
  }
  return at == name.size() ? std::optional(matched) : std::nullopt;
}

std::string canonical_name(std::string_view canonical, const MatchedName& matched) {
  std::string name;
  auto number = matched.numbers.begin();
  for (const char c : canonical) {
    if (c == '#') {
      name += std::to_string(*number++);
    } else if (c == '+') {
      name += std::to_string(*number++ + 1);
    } else if (c == '*') {
      name += matched.rest;
    } else {
      name += c;
    }
  }
  return name;
}

}  // namespace vitq
