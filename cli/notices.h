#pragma once
// What a user has to know though nothing has failed: what was assumed, left out or looks wrong. One line each.

#include <string_view>

#include "cli/args.h"

namespace vitq {

struct Notices {
  bool strict = false;  ///< each is an error
  bool quiet = false;   ///< none is shown; strict comes first

  /// Logs "vitq: warning: TEXT". Throws Error (kFormat) with the text where strict.
  void say(std::string_view text) const;
};

/// Adds --strict and --quiet.
void declare(ArgumentParser& parser, Notices& notices);

/// Warns where --threads asks for more than the cores that this process may run on. threads: 0 for the default.
void say_shared_cores(const Notices& notices, int threads);

}  // namespace vitq
