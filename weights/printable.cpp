#include "weights/printable.h"

#include <algorithm>
#include <cstdint>

namespace vitq {
namespace {

constexpr std::size_t kMaxLength = 80;

bool is_plain(char c) { return c > ' ' && c <= '~' && c != '"' && c != '\\'; }

}  // namespace

std::string printable(std::string_view name) {
  const std::string_view head = name.substr(0, kMaxLength);
  const bool plain = !head.empty() && std::all_of(head.begin(), head.end(), is_plain);
  std::string text(plain ? "" : "\"");
  for (const char c : head) {
    if (is_plain(c) || c == ' ') {
      text += c;
    } else {
      constexpr std::string_view kDigits = "0123456789abcdef";
      const auto byte = static_cast<std::uint8_t>(c);
      text += "\\x";
      text += kDigits[byte >> 4];
      text += kDigits[byte & 15];
    }
  }
  if (!plain) text += '"';
  if (head.size() < name.size()) text += "... (" + std::to_string(name.size()) + " bytes)";
  return text;
}

}  // namespace vitq
