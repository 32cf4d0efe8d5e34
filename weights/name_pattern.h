#pragma once
// Names as the table of namings writes them (Rule), and the names that they stand for.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace vitq {

struct MatchedName {
  std::vector<std::int64_t> numbers;  ///< that the '#' stand for
  std::string_view rest;              ///< that the '*' stands for
};

/// What of `name` the '#' and the '*' of `pattern` stand for; nothing where it is no such name. A number has at most
/// four digits.
std::optional<MatchedName> match_name(std::string_view name, std::string_view pattern);

/// The name that `canonical` is with these numbers and this rest.
std::string canonical_name(std::string_view canonical, const MatchedName& matched);

}  // namespace vitq
