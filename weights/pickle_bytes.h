#pragma once
// The bytes of a pickle, taken one opcode and one argument after the other. What is not there is refused by the byte at
// which it was looked for.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "engine/error.h"
#include "weights/pickle_opcodes.h"

namespace vitq {

class PickleBytes {
 public:
  /// `bytes` must outlive it. Errors begin with `source`.
  PickleBytes(std::span<const std::uint8_t> bytes, std::string source) : bytes_(bytes), source_(std::move(source)) {}

  Opcode take_opcode();
  /// The last one taken.
  [[nodiscard]] Opcode opcode() const { return opcode_; }
  /// Whether that one was the first of all.
  [[nodiscard]] bool is_first() const { return at_ == 0; }
  /// How many bytes follow.
  [[nodiscard]] std::size_t left() const { return bytes_.size() - next_; }

  std::span<const std::uint8_t> take(std::uint64_t count);
  /// An unsigned number of `size` bytes, at most 8, little-endian.
  std::uint64_t take_number(std::size_t size);
  /// The same in two's complement.
  std::int64_t take_signed(std::size_t size);
  double take_double();
  std::string take_text(std::uint64_t size);
  /// Up to the next newline, which is skipped.
  std::string take_line();

  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    fail(ErrorCode::kFormat, source_, ": byte ", at_, ": ", parts...);
  }

 private:
  std::span<const std::uint8_t> bytes_;
  std::string source_;
  std::size_t at_ = 0;    ///< where the opcode stands
  std::size_t next_ = 0;  ///< what is read next
  Opcode opcode_ = Opcode::kStop;
};

}  // namespace vitq
