#include "engine/kernels/code_book.h"

#include <cstring>

#include "engine/error.h"

namespace vitq {

namespace {

// Looks up the first codes, a multiple of 64, and returns how many. With VBMI one instruction (vpermi2b) finds 64 bytes
// among 128 entries; without it GCC takes a shuffle apart into something slower than look_up's own loop. So this is no
// clone, and chosen by the feature: target_clones would want the name of a processor, and miss those it does not know.
#if __has_builtin(__builtin_shuffle)  // GCC's; Clang shuffles only by constants
[[gnu::target("avx512vbmi")]] std::int64_t look_up_blocks(const std::uint8_t* code_book, std::uint8_t* codes,
                                                          std::int64_t count) {
  constexpr std::int64_t kBlock = 64;
  using Block = std::uint8_t __attribute__((vector_size(kBlock)));
  Block book[4];
  std::memcpy(book, code_book, sizeof(book));
  std::int64_t i = 0;
  for (; i + kBlock <= count; i += kBlock) {
    Block code;
    std::memcpy(&code, codes + i, kBlock);
    const Block low = __builtin_shuffle(book[0], book[1], code);  // by the low seven bits of each code
    const Block high = __builtin_shuffle(book[2], book[3], code);
    code = code > 127 ? high : low;
    std::memcpy(codes + i, &code, kBlock);
  }
  return i;
}

bool has_blocks() { return __builtin_cpu_supports("avx512vbmi") != 0; }
#else
std::int64_t look_up_blocks(const std::uint8_t*, std::uint8_t*, std::int64_t) { return 0; }

bool has_blocks() { return false; }
#endif

}  // namespace

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
  std::int64_t i = has_blocks() ? look_up_blocks(code_book, codes, count) : 0;
  for (; i < count; ++i) codes[i] = code_book[codes[i]];
}

}  // namespace vitq
