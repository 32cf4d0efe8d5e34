#include "cli/notices.h"

#include <optional>
#include <string>

#include "cli/output.h"
#include "engine/error.h"
#include "engine/thread_limit.h"

namespace vitq {

void Notices::say(std::string_view text) const {
  check(!strict, ErrorCode::kFormat, text, " (--strict)");
  if (!quiet) log("vitq: warning: " + std::string(text));
}

void declare(ArgumentParser& parser, Notices& notices) {
  parser.flag("--strict", notices.strict, "every warning is an error: nothing is assumed, nothing left out");
  parser.flag("--quiet", notices.quiet, "no warnings");
}

void say_shared_cores(const Notices& notices, int threads) {
  if (threads <= 1 || notices.quiet) return;
  const std::optional<int> cores = available_cores();
  if (!cores || threads <= *cores) return;
  log("vitq: warning: --threads " + std::to_string(threads) + ": this process may run on " + std::to_string(*cores) +
      (*cores == 1 ? " core" : " cores") + "; threads that share one wait for each other");
}

}  // namespace vitq
