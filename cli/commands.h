#pragma once
// The subcommands, one per file cmd_*.cpp. A new one is a source and a row of commands.cpp.

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vitq {

using Arguments = std::vector<std::string>;

struct Command {
  std::string_view name;
  std::string_view summary;
  /// Takes what follows the name. Returns the exit code: 0, or 1 where part of the work failed and was reported. Throws
  /// UsageError (2), Error (1).
  int (*run)(const Arguments& args);
};

std::span<const Command> commands();

/// All of the program: args are main()'s without the program's name. Returns and throws as Command::run.
int run_program(const Arguments& args);

int run_command(const Arguments& args);
int embed_command(const Arguments& args);
int eval_command(const Arguments& args);
int quantize_command(const Arguments& args);
int bench_command(const Arguments& args);
int convert_command(const Arguments& args);
int pull_command(const Arguments& args);
int seed_command(const Arguments& args);
int info_command(const Arguments& args);
int models_command(const Arguments& args);

}  // namespace vitq
