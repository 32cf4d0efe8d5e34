#pragma once
// Where the file of a model lies: named by the user, in the folder of models, beside the program (the built-in model),
// or, for the float model that an artifact was made from, beside the artifact.

#include <filesystem>
#include <string>
#include <vector>

#include "cli/pull.h"
#include "weights/checkpoint.h"

namespace vitq {

/// The precision of a float model. An artifact has its own word: "w8a8".
inline constexpr const char* kFloatPrecision = "fp32";
/// The precision of a float model that is multiplied in bf16.
inline constexpr const char* kBf16Precision = "bf16";

/// How a model's file is looked for.
struct Lookup {
  bool is_integer = false;              ///< of a zoo name, the artifact ROW.w8a8.safetensors
  bool pickles = false;                 ///< PyTorch's weights of a folder will do
  NetworkUse network{.offline = true};  ///< whether what is not here may be downloaded
};

/// The file of `name`: itself where it is there; the weights in it where it is a folder; of a zoo name
/// model_home()/ROW.safetensors, of a repository of the hub (hub_id) the weights in its copy. What is not here is
/// downloaded, where that may be, and so it is said. Throws UsageError with the nearest name where there is none of
/// all this, and Error, saying where it would come from, where it is not here.
std::filesystem::path find_model_file(const std::string& name, const Lookup& lookup = {});

/// Opens a safetensors file. Of a PyTorch file the error also says how to make one of it.
Checkpoint open_checkpoint(const std::filesystem::path& file);

/// Throws UsageError with the nearest zoo name unless `name` is one.
std::string checked_zoo_name(const std::string& name);

/// The built-in model: vit_cifar10.w8a8.safetensors, the float one where `precision` asks for "fp32" or "bf16"; where
/// it asks for nothing (empty) the float one also takes the place of an artifact that is not there. Looked for in
/// built_in_folders(). Throws UsageError, saying where it was looked for and what to do.
std::filesystem::path find_built_in_model(const std::string& precision);

/// Where the built-in model may be, seen from the running program: ../share/vitq as installed, or the link `builtin`
/// that the build leaves beside it, to the source's weights/builtin. Both move with the program.
std::vector<std::filesystem::path> built_in_folders();

/// The float model that the artifact `file` was made from: `source`, its metadata's file name (empty: not told), in the
/// same folder, else the model home's or the built-in of that file name, else the zoo model `name` in the model home.
/// Throws Error that tells where it was looked for.
std::filesystem::path find_float_model(const std::filesystem::path& file, const std::string& source,
                                       const std::string& name);

}  // namespace vitq
