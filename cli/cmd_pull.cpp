#include <cstdlib>
#include <filesystem>

#include "cli/args.h"
#include "cli/commands.h"
#include "cli/download.h"
#include "cli/download_part.h"
#include "cli/model_files.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/sha256.h"
#include "engine/error.h"
#include "models/describe.h"
#include "models/model_home.h"
#include "models/zoo.h"
#include "weights/printable.h"

namespace vitq {
namespace fs = std::filesystem;
namespace {

struct Options {
  std::string name;
  bool force = false;
  int timeout = 30;  // seconds
  int retries = 3;
};

bool parse(const Arguments& args, Options& options) {
  constexpr int kHour = 3600;
  constexpr int kMostRetries = 100;
  std::vector<std::string> names;
  ArgumentParser parser("pull", "NAME [--force] [--timeout 30] [--retries 3]",
                        "Downloads the published weights of a model of `vitq models` to where its name is looked for.\n"
                        "A download that was cut goes on where it stopped. The address is $VITQ_HUB, by default\n"
                        "https://huggingface.co, then timm/TAG/resolve/main/model.safetensors.");
  parser.operands(names, 1);
  parser.flag("--force", options.force, "download even if the weights are here, and replace them");
  parser.option("--timeout", "S", "seconds to wait for a connection, or for more data; default 30",
                whole_number(options.timeout, 1, kHour));
  parser.option("--retries", "N", "how often to try again what failed for a moment; default 3",
                whole_number(options.retries, 0, kMostRetries));
  if (!parser.parse(args)) return false;
  if (names.empty()) parser.fail("a model is missing, expected a name of `vitq models`");
  options.name = checked_zoo_name(names.front());
  return true;
}

/// $VITQ_HUB without a slash at its end, or the hub itself.
std::string hub() {
  const char* chosen = std::getenv("VITQ_HUB");
  std::string address = chosen != nullptr && *chosen != '\0' ? chosen : kHub;
  check(address.find('@') == std::string::npos, "$VITQ_HUB has a user name or a password, which vitq does not send");
  const bool is_plain = address.find_first_of("?# \t\r\n") == std::string::npos;
  const bool is_http = address.starts_with("http://") || address.starts_with("https://");
  check(is_plain && is_http, "$VITQ_HUB is ", printable(address), ", expected http(s)://HOST[:PORT][/PATH]");
  while (address.ends_with('/')) address.pop_back();
  return address;
}

/// More than any file of these weights can have: 8 bytes for each parameter, and what old checkpoints carry along.
std::uint64_t most_bytes(const ZooEntry& entry) {
  constexpr std::uint64_t kMore = std::uint64_t{64} << 20;
  return sizeof(double) * static_cast<std::uint64_t>(parameter_count(entry.config)) + kMore;
}

/// Throws Error, and empties the part, where it is not what the server says or not the model.
void verify(DownloadPart& part, const std::string& name, const std::string& address) {
  try {
    const std::string& expected = part.origin().sha256;
    const std::string found = expected.empty() ? "" : sha256_of_file(part.path());
    check(found == expected, ErrorCode::kFormat, "its SHA-256 is ", found, ", expected ", expected);
    describe(Checkpoint::open(part.path()), name);
  } catch (const Error& error) {
    part.restart({});
    fail(error.code(), "what came from ", address, " is not ", name, ", and was thrown away: ", error.what());
  }
}

bool is_here(const fs::path& file) {
  std::error_code ignored;
  check(!fs::is_directory(file, ignored), ErrorCode::kFile, file.string(),
        ": is a directory, expected the weights or nothing");
  return fs::exists(file, ignored);
}

}  // namespace

int pull_command(const Arguments& args) {
  Options options;
  if (!parse(args, options)) return 0;
  const fs::path file = model_home() / (options.name + ".safetensors");
  const std::string address = hub() + '/' + hub_path(*find_in_zoo(options.name));
  const std::string here_already = options.name + " is here: " + file.string() + " (--force downloads it again)\n";
  if (!options.force && is_here(file)) {
    print(here_already);
    return 0;
  }
  std::error_code error;
  fs::create_directories(model_home(), error);
  check(!error, ErrorCode::kFile, model_home().string(), ": the folder cannot be made: ", error.message());
  DownloadPart part(file);
  if (!options.force && is_here(file)) {  // another pull has finished it before we had the lock
    print(here_already);
    return 0;
  }
  download({.what = options.name,
            .address = address,
            .most_bytes = most_bytes(*find_in_zoo(options.name)),
            .timeout = std::chrono::seconds(options.timeout),
            .retries = options.retries},
           part);
  verify(part, options.name, address);
  const bool is_verified = !part.origin().sha256.empty();
  part.commit();
  print(options.name + ": " + megabytes(part.size()) + " in " + file.string() +
        (is_verified ? ", SHA-256 as the server says\n"
                     : "; the server tells no SHA-256, so only names and shapes were checked\n"));
  return 0;
}

}  // namespace vitq
