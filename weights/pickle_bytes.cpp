#include "weights/pickle_bytes.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

namespace vitq {

Opcode PickleBytes::take_opcode() {
  at_ = next_;
  opcode_ = static_cast<Opcode>(take(1)[0]);
  return opcode_;
}

std::span<const std::uint8_t> PickleBytes::take(std::uint64_t count) {
  if (count > left()) {
    refuse(at_ == next_ ? "expected an opcode" : "expected " + std::to_string(count) + " bytes more", ", found ",
           left(), "; it is cut short or damaged");
  }
  next_ += count;
  return bytes_.subspan(next_ - count, count);
}

std::uint64_t PickleBytes::take_number(std::size_t size) {
  std::uint64_t value = 0;
  std::memcpy(&value, take(size).data(), size);
  return value;
}

std::int64_t PickleBytes::take_signed(std::size_t size) {
  if (size == 0) return 0;
  const auto unused = static_cast<int>(8 * (sizeof(std::uint64_t) - size));
  return static_cast<std::int64_t>(take_number(size) << unused) >> unused;
}

double PickleBytes::take_double() {
  std::array<std::uint8_t, sizeof(double)> reversed{};  // it is the one big-endian number of the format
  std::ranges::reverse_copy(take(sizeof(double)), reversed.begin());
  return std::bit_cast<double>(reversed);
}

std::string PickleBytes::take_text(std::uint64_t size) {
  const auto bytes = take(size);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string PickleBytes::take_line() {
  const auto rest = bytes_.subspan(next_);
  const auto end = std::find(rest.begin(), rest.end(), static_cast<std::uint8_t>('\n'));
  if (end == rest.end()) refuse("expected a line, found no end of it; it is cut short or damaged");
  std::string found = take_text(static_cast<std::uint64_t>(end - rest.begin()));
  take(1);
  return found;
}

}  // namespace vitq
