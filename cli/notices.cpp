#include "cli/notices.h"

#include <string>

#include "cli/output.h"
#include "engine/error.h"

namespace vitq {

void Notices::say(std::string_view text) const {
  check(!strict, ErrorCode::kFormat, text, " (--strict)");
  if (!quiet) log("vitq: warning: " + std::string(text));
}

void declare(ArgumentParser& parser, Notices& notices) {
  parser.flag("--strict", notices.strict, "every warning is an error: nothing is assumed, nothing left out");
  parser.flag("--quiet", notices.quiet, "no warnings");
}

}  // namespace vitq
