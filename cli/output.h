#pragma once
// The two ways out: results on standard output, where every failed write is noticed, and lines for people on standard
// error, where a stranger's control characters never reach the terminal.

#include <cstddef>
#include <exception>
#include <span>
#include <string>
#include <string_view>

namespace vitq {

/// Whoever read our output has gone (`| head -1`): no failure of ours, but there is nothing left to do.
class BrokenPipe : public std::exception {
 public:
  const char* what() const noexcept override { return "the reader of standard output has gone"; }
};

/// Writes all of `text` to standard output before it returns. Throws BrokenPipe, or Error where the system refuses (a
/// full disk). SIGPIPE must be ignored (prepare_streams).
void print(std::string_view text);

/// Writes one_line(text) and a newline to standard error. Failure to do so is ignored.
void log(std::string_view text);
/// log("vitq: error: TEXT").
void log_error(std::string_view text);

/// `text` with every control character, a newline included, as \xNN: safe for a terminal, and one line.
std::string one_line(std::string_view text);

/// "a, b, c and 5 more": at most `most` of `names` as they stand.
std::string some_of(std::span<const std::string> names, std::size_t most);

/// Makes SIGPIPE and SIGXFSZ errors of write() instead of deaths, and fills closed standard descriptors, so that no
/// file opened later takes the place of standard output. For main(), first thing.
void prepare_streams();

}  // namespace vitq
