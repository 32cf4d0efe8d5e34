#include <optional>

#include "cli/args.h"
#include "cli/commands.h"
#include "cli/model_files.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/pull.h"
#include "engine/error.h"
#include "models/describe.h"
#include "models/hub_folder.h"
#include "weights/printable.h"

namespace vitq {
namespace {

struct Options {
  std::string name;
  PullOptions pull;
};

bool parse(const Arguments& args, Options& options) {
  constexpr int kHour = 3600;
  constexpr int kMostRetries = 100;
  int timeout = 30;
  std::vector<std::string> names;
  ArgumentParser parser(
      "pull", "NAME|OWNER/NAME[@REVISION] [--force] [--timeout 30] [--retries 3]",
      "Downloads a model of `vitq models`, or a repository of the Hugging Face hub, to where its name is looked\n"
      "for. A download that was cut goes on where it stopped. Of a repository come the weights and the files that\n"
      "describe them, all of one commit: that of REVISION (a branch, a tag or a commit), by default of main. The\n"
      "address is $VITQ_HUB, by default https://huggingface.co.");
  parser.operands(names, 1);
  parser.flag("--force", options.pull.force, "download even if it is here, and replace it");
  parser.option("--timeout", "S", "seconds to wait for a connection, or for more data; default 30",
                whole_number(timeout, 1, kHour));
  parser.option("--retries", "N", "how often to try again what failed for a moment; default 3",
                whole_number(options.pull.retries, 0, kMostRetries));
  if (!parser.parse(args)) return false;
  if (names.empty()) parser.fail("a model is missing, expected a name of `vitq models` or OWNER/NAME of the hub");
  options.name = names.front();
  options.pull.timeout = std::chrono::seconds(timeout);
  return true;
}

/// Whether what has come runs, for people.
std::string verdict(const std::filesystem::path& folder) {
  try {
    return "a model that vitq runs: " + printable(describe(Checkpoint::open(find_weights(folder))).name);
  } catch (const Error& error) {
    return "vitq does not run it as it is: " + one_line(error.what());
  }
}

std::string report(const std::string& name, const Pulled& pulled) {
  if (pulled.bytes == 0) return name + " is here: " + pulled.path.string() + " (--force downloads it again)\n";
  return name + ": " + megabytes(pulled.bytes) + " in " + pulled.path.string() +
         (pulled.is_verified ? ", SHA-256 as the server says\n"
                             : "; the server tells no SHA-256, so only names and shapes were checked\n");
}

}  // namespace

int pull_command(const Arguments& args) {
  Options options;
  if (!parse(args, options)) return 0;
  const ZooEntry* row = find_in_zoo(options.name);
  const auto id = row == nullptr ? hub_id(options.name) : std::nullopt;
  if (id) {
    const Pulled pulled = pull(*id, options.pull);
    print(report(id->text(), pulled) + verdict(pulled.path) + '\n');
    return 0;
  }
  const std::string name = checked_zoo_name(options.name);
  print(report(name, pull(*find_in_zoo(name), options.pull)));
  return 0;
}

}  // namespace vitq
