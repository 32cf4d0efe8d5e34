#pragma once
// Models from the Hugging Face hub to the folder of models: the weights of a zoo row, or a repository.

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>

#include "cli/args.h"
#include "models/hub_id.h"
#include "models/zoo.h"

namespace vitq {

struct PullOptions {
  bool force = false;  ///< download what is here already, and replace it
  std::chrono::seconds timeout{30};
  int retries = 3;
};

struct Pulled {
  std::filesystem::path path;  ///< the file or the folder, in its place
  std::uint64_t bytes = 0;     ///< 0: it was there
  bool is_verified = false;    ///< the weights have the SHA-256 that the server says
};

/// Whether what is not here may be downloaded on first use.
struct NetworkUse {
  bool offline = false;
  bool quiet = false;
};

/// Adds --offline.
void declare(ArgumentParser& parser, NetworkUse& network);

/// Neither network.offline nor $VITQ_OFFLINE, which is off where it is empty or 0.
bool may_download(const NetworkUse& network);

/// $VITQ_HUB without a slash at its end, or the hub itself. Throws Error unless it is http(s)://HOST[:PORT][/PATH].
std::string hub_address();
/// Where each comes from.
std::string address_of(const ZooEntry& row);
std::string address_of(const HubId& id);

/// The weights of `row` to model_home()/ROW.safetensors, of that size, hash and shapes or not at all. Throws Error.
Pulled pull(const ZooEntry& row, const PullOptions& options);

/// The repository to hub_folder(id): the weights (find_weights; safetensors before PyTorch's), all parts of them, what
/// describes them, and the hub's own list of its files (cli/hub_listing.h). All are of one commit. They gather in the
/// folder .NAME.part, which another run goes on with, and the folder appears when it is whole. Throws Error.
Pulled pull(const HubId& id, const PullOptions& options);

}  // namespace vitq
