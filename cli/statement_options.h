#pragma once
// The options by which a user states what a model's file does not say.

#include <optional>
#include <string>
#include <vector>

#include "cli/args.h"
#include "cli/notices.h"
#include "models/describe.h"
#include "vitq/stated.h"

namespace vitq {

/// Adds an option for each member of `stated` but its name and its classes.
void declare(ArgumentParser& parser, Stated& stated);

/// Adds --classes FILE, a name a line, and --name.
void declare_names(ArgumentParser& parser, Stated& stated);

/// describe(); a statement that makes no sense is a UsageError.
ModelDescription describe_stated(const Checkpoint& checkpoint, const std::optional<std::string>& insist,
                                 const Stated& stated);

/// Says, where something of `description` is a guess, what, and the options that settle it. `file`: the model's.
void say_guesses(const Notices& notices, const std::string& file, const ModelDescription& description);

/// The first few of them, safe to print, and how many more there are.
std::string left_behind_text(const std::vector<std::string>& names);

/// Says which tensors of `file` are no part of the model, the first few by name. Nothing where there are none.
void say_left_behind(const Notices& notices, const std::string& file, const std::vector<std::string>& names);

}  // namespace vitq
