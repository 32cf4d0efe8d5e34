#pragma once
// What the Hugging Face hub says a repository holds: its answer to /api/models/OWNER/NAME/revision/REVISION?blobs=true.

#include <cstdint>
#include <string>
#include <vector>

#include "models/hub_id.h"

namespace vitq {

struct HubFile {
  std::string name;
  std::uint64_t size = 0;  ///< bytes
  std::string sha256{};    ///< of a file in LFS, in small letters; empty: not told
};

struct HubListing {
  std::string commit;          ///< 40 or 64 hexadecimal digits
  std::vector<HubFile> files;  ///< of the top folder, under names that are safe there

  /// The names of the files.
  [[nodiscard]] std::vector<std::string> names() const;
  /// Throws Error (kFormat) where there is no such file.
  [[nodiscard]] const HubFile& file(const std::string& name) const;
};

/// Where the hub tells it, below its address.
std::string listing_path(const HubId& id);

/// Where a file of that commit is, below the hub's address.
std::string file_path(const HubId& id, const std::string& commit, const std::string& name);

/// Throws Error (kFormat) where `text`, a stranger's, is no such answer.
HubListing parse_listing(const std::string& text);

/// The parts that an index of weights (model.safetensors.index.json) names, each once. Throws Error (kFormat).
std::vector<std::string> parts_of_index(const std::string& text);

}  // namespace vitq
