#include "engine/kernels/code_book.h"

#include "engine/error.h"
#include "engine/kernels/dispatch.h"

namespace vitq {

CodeBook nearest_levels(std::span<const std::uint8_t> levels) {
  CodeBook book{};
  check(!levels.empty() && levels.size() <= book.size(), "code book: ", levels.size(), " levels, expected 1 to ",
        book.size());
  for (std::size_t i = 1; i < levels.size(); ++i) {
    check(levels[i] > levels[i - 1], "code book: level ", i, " is ", int{levels[i]}, ", expected more than ",
          int{levels[i - 1]}, ", the one before");
  }
  std::size_t nearest = 0;
  for (int code = 0; code < std::ssize(book); ++code) {
    // The next level takes over where it is nearer, not already half-way.
    while (nearest + 1 < levels.size() && levels[nearest + 1] - code < code - levels[nearest]) ++nearest;
    book[code] = levels[nearest];
  }
  return book;
}

void look_up(const std::uint8_t* code_book, std::uint8_t* codes, std::int64_t count) {
  kernels().look_up(code_book, codes, count);
}

}  // namespace vitq
