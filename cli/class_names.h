#pragma once
// Which class of a model a name means. Spellings are tried from the strictest to the freest: the first that finds a
// class counts, and more than one class is told as such.

#include <array>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace vitq {

class ClassNames {
 public:
  explicit ClassNames(const std::vector<std::string>& names);

  /// The classes that `name` means, rising; none where it is called as no class, several where it is ambiguous. In
  /// turn: as it stands; without regard to case, `_` for blanks; without regard to punctuation and leading zeros of a
  /// number; a synonym, which is a part between commas or what stands before a bracket ("tench" of "tench, Tinca
  /// tinca"); the same without a number in front ("007.tench").
  [[nodiscard]] std::vector<int> find(std::string_view name) const;

 private:
  using Index = std::map<std::string, std::vector<int>, std::less<>>;
  Index exact_, folded_, plain_, synonyms_;
};

/// Letters and digits of `text` in small letters, a blank for whatever stands between them; a number without leading
/// zeros. Bytes beyond ASCII are letters.
std::string plain_spelling(std::string_view text);

}  // namespace vitq
