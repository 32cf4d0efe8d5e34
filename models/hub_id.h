#pragma once
// The name of a repository of the Hugging Face hub, and where its copy lies in the folder of models.

#include <filesystem>
#include <optional>
#include <string>

namespace vitq {

struct HubId {
  std::string owner;
  std::string name;
  std::string revision{};  ///< a branch, a tag or a commit; empty: the hub's main

  /// "OWNER/NAME" or "OWNER/NAME@REVISION".
  [[nodiscard]] std::string text() const;
};

/// The repository that `model` names: "OWNER/NAME", alone or behind hf://, hf-hub: or https://huggingface.co/, with or
/// without @REVISION. Every part is of letters, digits, '.', '_' and '-', begins with a letter or a digit (a revision's
/// too), has no ".." and at most 96 characters, so that it can be a folder's name. Nothing for any other text. Without
/// one of the three in front it may be a path as well: nothing where it ends like a file of weights, or where OWNER is
/// a folder here.
std::optional<HubId> hub_id(const std::string& model);

/// The folder of the copy: model_home()/hub/OWNER/NAME, or NAME@REVISION. Throws as model_home() does.
std::filesystem::path hub_folder(const HubId& id);

}  // namespace vitq
