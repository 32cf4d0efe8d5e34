#pragma once
// How every room fails: vitq::Error with a code, one line put together from its parts. The library never prints, aborts
// or exits; cli/main.cpp catches, once.

#include <locale>
#include <sstream>
#include <string>

#include "vitq/error.h"

namespace vitq {

/// All `parts` streamed one after the other, numbers as in C: a message does not depend on the global locale.
template <class... Parts>
std::string text_of(const Parts&... parts) {
  std::ostringstream text;
  text.imbue(std::locale::classic());
  (text << ... << parts);
  return text.str();
}

/// Throws Error with what text_of makes of the parts.
template <class... Parts>
[[noreturn]] void fail(ErrorCode code, const Parts&... parts) {
  throw Error(code, text_of(parts...));
}

/// The same of what a caller handed over.
template <class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  fail(ErrorCode::kArgument, parts...);
}

/// fail(code, parts...) unless `ok`. The message is only put together on failure.
template <class... Parts>
void check(bool ok, ErrorCode code, const Parts&... parts) {
  if (!ok) fail(code, parts...);
}

template <class... Parts>
void check(bool ok, const Parts&... parts) {
  if (!ok) fail(ErrorCode::kArgument, parts...);
}

}  // namespace vitq
