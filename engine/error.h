#pragma once
// The one way vitq fails: every room throws vitq::Error and cli/main.cpp catches it, once.
// The library never prints, aborts or exits.

#include <sstream>
#include <stdexcept>
#include <string>

namespace vitq {

/// What went wrong, in one line: the thing (file, tensor, flag), what was found, what was expected, and what to do.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Throws Error with all `parts` streamed one after the other.
template <class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  std::ostringstream message;
  (message << ... << parts);
  throw Error(message.str());
}

/// fail(parts...) unless `ok`. The message is only put together on failure.
template <class... Parts>
void check(bool ok, const Parts&... parts) {
  if (!ok) fail(parts...);
}

}  // namespace vitq
