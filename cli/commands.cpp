#include "cli/commands.h"

#include <algorithm>
#include <array>

#include "cli/args.h"
#include "cli/output.h"
#include "cli/spelling.h"
#include "vitq/version.h"
#include "weights/printable.h"

namespace vitq {
namespace {

constexpr std::string_view kUsage = "usage: vitq COMMAND [OPTIONS] | --help | --version | help COMMAND";

std::string help() {
  std::string text =
      "vitq classifies pictures with Vision Transformers, on a CPU.\n\n" + std::string(kUsage) + "\n\ncommands:\n";
  constexpr std::size_t kColumn = 8;
  for (const Command& command : commands()) {
    std::string name(command.name);
    name.resize(std::max(name.size(), kColumn), ' ');
    text += "  " + name + "  " + std::string(command.summary) + '\n';
  }
  text +=
      "\nModels are looked for by name in $VITQ_HOME, by default $XDG_CACHE_HOME/vitq or ~/.cache/vitq;\n"
      "`vitq pull NAME` downloads one to there.\n"
      "Results go to standard output, everything else to standard error.\n"
      "Exit code: 0 fine, 1 something failed, 2 the command line makes no sense.\n";
  return text;
}

const Command& find_command(const std::string& name) {
  const auto found = std::ranges::find(commands(), name, &Command::name);
  if (found != commands().end()) return *found;
  const bool is_option = name.starts_with('-');
  std::vector<std::string> words;
  if (is_option) {
    words = {"--help", "--version"};
  } else {
    words = {"help"};
    for (const Command& command : commands()) words.emplace_back(command.name);
  }
  throw UsageError((is_option ? "unknown option " : "unknown command ") + printable(name) + suggestion(name, words),
                   std::string(kUsage));
}

}  // namespace

std::span<const Command> commands() {
  static constexpr std::array kCommands{
      Command{"run", "classify pictures", run_command},
      Command{"embed", "write embeddings of pictures, or their tokens, as a NumPy file", embed_command},
      Command{"eval", "measure accuracy on labelled pictures", eval_command},
      Command{"quantize", "turn a float32 model into one that runs on integers", quantize_command},
      Command{"bench", "time precisions against each other", bench_command},
      Command{"convert", "turn a published checkpoint (PyTorch, safetensors) into a file that vitq runs",
              convert_command},
      Command{"pull", "download the published weights of a model that has a name", pull_command},
      Command{"seed", "write seeded, untrained weights, for timing and tests", seed_command},
      Command{"info", "tell what a file holds, or what this program and machine are", info_command},
      Command{"models", "list the models that have a name", models_command},
  };
  return kCommands;
}

int run_program(const Arguments& args) {
  if (args.empty()) throw UsageError("a command is missing", std::string(kUsage));
  const std::string& word = args.front();
  const Arguments rest(args.begin() + 1, args.end());
  const bool is_help = word == "help" || word == "--help" || word == "-h";
  const std::size_t most_words = word == "help" ? 1 : 0;
  if ((is_help || word == "--version") && rest.size() > most_words) {
    throw UsageError("unexpected argument " + printable(rest[most_words]), std::string(kUsage));
  }
  if (is_help && !rest.empty()) return find_command(rest.front()).run({"--help"});
  if (!is_help && word != "--version") return find_command(word).run(rest);
  print(is_help ? help() : "vitq " + std::string(version()) + '\n');
  return 0;
}

}  // namespace vitq
