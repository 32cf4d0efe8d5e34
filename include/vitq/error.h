#pragma once
// The one way in which vitq fails.

#include <cstdint>
#include <stdexcept>
#include <string>

namespace vitq {

/// What a caller can do about a failure.
enum class ErrorCode : std::uint8_t {
  kFile = 1,     ///< a file is missing, or cannot be read or written: try another path
  kFormat,       ///< the bytes are not what they claim to be, or not what the model needs: they must be mended
  kArgument,     ///< the call was wrong: a size, a number, a combination that cannot be
  kUnsupported,  ///< right, but not possible here: this CPU, this model, this kind of file
  kMemory,       ///< memory was not to be had; everything is as it was before the call
  kCancelled,    ///< a callback of the caller's asked to stop
  kInternal,     ///< a fault of vitq's own
};

/// "file", "format", ...
[[gnu::visibility("default")]] const char* name_of(ErrorCode code) noexcept;

/// What went wrong, in one line: the thing (file, tensor, argument), what was found, what was expected.
class [[gnu::visibility("default")]] Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  [[nodiscard]] ErrorCode code() const noexcept { return code_; }

 private:
  ErrorCode code_;
};

}  // namespace vitq
