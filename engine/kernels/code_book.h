#pragma once
// Code books: unevenly spaced codes of few bits that run as plain u8 operands. The levels of such a quantizer
// (Lloyd-Max) lie on an 8-bit grid; a value is rounded to the grid as always, and from there to the level nearest to
// it.

#include <array>
#include <cstdint>
#include <span>

namespace vitq {

/// Entry c is the code stored for c.
using CodeBook = std::array<std::uint8_t, 256>;

/// Entry c is the level nearest to c; of two, the lower. levels: 1 to 256 of them, strictly ascending; throws Error
/// where they are not.
CodeBook nearest_levels(std::span<const std::uint8_t> levels);

/// codes[i] = code_book[codes[i]] for i < count, in place. code_book: 256 entries, which must not overlap the codes. A
/// pass of its own: fast on bytes that are still in the L1 cache, as a row that was just written.
void look_up(const std::uint8_t* code_book, std::uint8_t* codes, std::int64_t count);

}  // namespace vitq
