#pragma once
// What a stranger's file is: its shapes, metadata and name against the models that vitq knows.

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "models/config.h"
#include "models/facts.h"
#include "vitq/preprocessing.h"
#include "vitq/stated.h"
#include "weights/checkpoint.h"

namespace vitq {

/// What a checkpoint is, as far as its shapes, metadata and file name tell.
struct ModelDescription {
  std::string name;  ///< a zoo name, or the metadata's, or the architecture's
  ModelConfig config;
  Preprocessing preprocessing;
  std::vector<std::string> class_names;
  Facts facts;  ///< what of all this is known by whom
};

/// Recognises a checkpoint. With `insist`, a zoo name, the checkpoint must be that model. For each fact the first that
/// says it counts: the caller (`stated`), the file where vitq wrote it, the configuration beside it (stated_by_hub),
/// the zoo row insisted on, a published model of the same shapes, the file's name, what is usual. The last two are
/// guesses: who shows the model's answers has to say so (guesses_of). Throws Error, naming the first missing, surplus
/// or misshapen tensor, what does not parse, a statement that the weights contradict, or a fact that nobody says and
/// that cannot be guessed.
ModelDescription describe(const Checkpoint& checkpoint, const std::optional<std::string>& insist = std::nullopt,
                          const Stated& stated = {});

/// What of a description is a guess.
Facts guesses_of(const ModelDescription& description);

/// The checkpoint of a zoo model without training: seeded weights (weights/seeded.h), for timing and tests.
Checkpoint seeded_checkpoint(const std::string& zoo_name, std::uint64_t seed = 0);

/// Metadata to store with a checkpoint so that describe() finds the same again. What was a guess stays one ("assumed").
std::map<std::string, std::string> metadata_of(const ModelDescription& description);

/// metadata_of the zoo model of that name.
std::map<std::string, std::string> zoo_metadata(const std::string& zoo_name);

/// The file of `model`: itself where there is one of that name, the weights in it where that is a folder
/// (find_weights); else that of a zoo row, model_home()/ROW.safetensors; else the weights in a repository's copy
/// (hub_id, hub_folder); else itself, where it has a '/' or a '.'. Nothing is downloaded. Throws Error where the file
/// of a name is not there (kFile), or it is no name.
std::filesystem::path locate_model(const std::string& model);

}  // namespace vitq
