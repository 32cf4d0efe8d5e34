#include "cli/pull.h"

#include <cstdlib>

#include "cli/download.h"
#include "cli/download_part.h"
#include "cli/sha256.h"
#include "engine/error.h"
#include "models/describe.h"
#include "models/model_home.h"
#include "weights/printable.h"

namespace vitq {
namespace fs = std::filesystem;
namespace {

/// More than any file of these weights can have: 8 bytes for each parameter, and what old checkpoints carry along.
std::uint64_t most_bytes(const ZooEntry& row) {
  constexpr std::uint64_t kMore = std::uint64_t{64} << 20;
  return sizeof(double) * static_cast<std::uint64_t>(parameter_count(row.config)) + kMore;
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

void declare(ArgumentParser& parser, NetworkUse& network) {
  parser.flag("--offline", network.offline,
              "download nothing: a model that is not here is an error; or VITQ_OFFLINE=1");
}

bool may_download(const NetworkUse& network) {
  const char* variable = std::getenv("VITQ_OFFLINE");
  const std::string value = variable != nullptr ? variable : "";
  return !network.offline && (value.empty() || value == "0");
}

std::string hub_address() {
  const char* chosen = std::getenv("VITQ_HUB");
  std::string address = chosen != nullptr && *chosen != '\0' ? chosen : kHub;
  check(address.find('@') == std::string::npos, "$VITQ_HUB has a user name or a password, which vitq does not send");
  const bool is_plain = address.find_first_of("?# \t\r\n") == std::string::npos;
  const bool is_http = address.starts_with("http://") || address.starts_with("https://");
  check(is_plain && is_http, "$VITQ_HUB is ", printable(address), ", expected http(s)://HOST[:PORT][/PATH]");
  while (address.ends_with('/')) address.pop_back();
  return address;
}

std::string address_of(const ZooEntry& row) { return hub_address() + '/' + hub_path(row); }

std::string address_of(const HubId& id) { return hub_address() + '/' + id.owner + '/' + id.name; }

Pulled pull(const ZooEntry& row, const PullOptions& options) {
  const std::string name(row.name);
  const fs::path file = model_home() / (name + ".safetensors");
  const std::string address = address_of(row);
  if (!options.force && is_here(file)) return {.path = file};
  std::error_code error;
  fs::create_directories(model_home(), error);
  check(!error, ErrorCode::kFile, model_home().string(), ": the folder cannot be made: ", error.message());
  DownloadPart part(file);
  if (!options.force && is_here(file)) return {.path = file};  // another pull has finished before we had the lock
  download({.what = name,
            .address = address,
            .most_bytes = most_bytes(row),
            .timeout = options.timeout,
            .retries = options.retries},
           part);
  verify(part, name, address);
  part.commit();
  return {.path = file, .bytes = part.size(), .is_verified = !part.origin().sha256.empty()};
}

}  // namespace vitq
