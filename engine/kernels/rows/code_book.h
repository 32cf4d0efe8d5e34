#pragma once
// engine/kernels/code_book.h.

#include <cstdint>
#include <cstring>

namespace vitq::rows {
namespace {

void look_up(const std::uint8_t* code_book, std::uint8_t* codes, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) codes[i] = code_book[codes[i]];
}

// With VBMI one instruction (vpermi2b) finds 64 bytes among 128 entries; without it GCC takes a shuffle apart into
// something slower than the loop above.
#if defined(__AVX512BW__) && __has_builtin(__builtin_shuffle)  // GCC's; Clang shuffles only by constants
[[gnu::target("avx512vbmi")]] void look_up_vbmi(const std::uint8_t* code_book, std::uint8_t* codes,
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
  look_up(code_book, codes + i, count - i);
}
#elif defined(__AVX512BW__)
void look_up_vbmi(const std::uint8_t* code_book, std::uint8_t* codes, std::int64_t count) {
  look_up(code_book, codes, count);
}
#endif

}  // namespace
}  // namespace vitq::rows
