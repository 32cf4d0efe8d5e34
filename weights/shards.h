#pragma once
// A checkpoint in several safetensors files, as the hub keeps large ones: model.safetensors.index.json says in its
// "weight_map" which tensor is in which file beside it.

#include <filesystem>
#include <vector>

#include "weights/safetensors.h"

namespace vitq {

/// Whether the file is called as an index is: "*.index.json".
bool is_shard_index(const std::filesystem::path& path);

/// The files that the index names, in the order of their names. Throws Error, naming the index and what is wrong: kFile
/// where it or a file is missing, kFormat where it is no index, a file's name leads out of its folder, a tensor is not
/// in the file that the index names, or two files hold one of the same name.
std::vector<SafetensorsFile> open_shards(const std::filesystem::path& index);

/// The files of a checkpoint: open_shards of an index, else the one file itself.
std::vector<SafetensorsFile> open_files(const std::filesystem::path& path);

}  // namespace vitq
