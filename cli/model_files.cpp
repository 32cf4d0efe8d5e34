#include "cli/model_files.h"

#include "cli/args.h"
#include "cli/output.h"
#include "cli/spelling.h"
#include "engine/error.h"
#include "models/describe.h"
#include "models/hub_folder.h"
#include "models/hub_id.h"
#include "models/model_home.h"
#include "models/zoo.h"
#include "weights/printable.h"
#include "weights/torch_checkpoint.h"

namespace vitq {
namespace fs = std::filesystem;
namespace {

constexpr const char* kBuiltInArtifact = "vit_cifar10.w8a8.safetensors";
constexpr const char* kBuiltInFloat = "vit_cifar10.safetensors";

bool is_there(const fs::path& path) {
  std::error_code ignored;
  return fs::exists(path, ignored);
}

fs::path weights_in(const fs::path& folder, bool pickles) {
  try {
    return find_weights(folder, pickles);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kUnsupported) throw;
    fail(error.code(), error.what(), "; `vitq convert ", folder.string(),
         " --out FILE` makes a safetensors file of it");
  }
}

/// "a, b, c".
std::string listed(const std::vector<fs::path>& paths) {
  std::string text;
  for (const fs::path& path : paths) text += (text.empty() ? "" : ", ") + path.string();
  return text;
}

/// One line before a wait that nobody asked for in so many words.
void say_download(const NetworkUse& network, const std::string& name, const std::string& address) {
  if (!network.quiet) log("vitq: " + name + " is not here, downloading it from " + address);
}

fs::path file_of(const ZooEntry& row, const Lookup& lookup) {
  const std::string model(row.name);
  fs::path artifact = model_home() / (model + ".w8a8.safetensors");
  check(!lookup.is_integer || is_there(artifact), ErrorCode::kFile, "no int8 model of ", model, ": looked for ",
        artifact.string(), "; make it with `vitq quantize --model ", model, " --images DIR --out ", artifact.string(),
        "`");
  if (lookup.is_integer) return artifact;
  fs::path weights = model_home() / (model + ".safetensors");
  if (is_there(weights)) return weights;
  check(may_download(lookup.network), ErrorCode::kFile, "no weights for ", model, ": looked for ", weights.string(),
        "; `vitq pull ", model, "` downloads them from ", address_of(row),
        ", `vitq convert` makes them of a PyTorch .pth, `vitq seed --model ", model, " --out ", weights.string(),
        "` makes untrained ones");
  say_download(lookup.network, model, address_of(row));
  return pull(row, {}).path;
}

fs::path file_of(const HubId& id, const Lookup& lookup) {
  fs::path folder = hub_folder(id);
  if (!is_there(folder)) {
    check(may_download(lookup.network), ErrorCode::kFile, id.text(),
          ": there is no such file, and no copy of it here: ", "looked for ", folder.string(), "; `vitq pull ",
          id.text(), "` downloads it from ", address_of(id));
    say_download(lookup.network, id.text(), address_of(id));
    folder = pull(id, {}).path;
  }
  return weights_in(folder, lookup.pickles);
}

}  // namespace

std::string checked_zoo_name(const std::string& name) {
  if (const ZooEntry* row = find_in_zoo(name)) return std::string(row->name);
  std::vector<std::string> names;
  for (const ZooEntry& entry : zoo()) names.emplace_back(entry.name);
  throw UsageError("no model named " + printable(name) + suggestion(name, names) + " (`vitq models` lists them)");
}

fs::path find_model_file(const std::string& name, const Lookup& lookup) {
  std::error_code ignored;
  if (fs::is_directory(name, ignored)) return weights_in(name, lookup.pickles);
  if (is_there(name)) return name;
  if (const ZooEntry* row = find_in_zoo(name)) return file_of(*row, lookup);
  if (const auto id = hub_id(name)) return file_of(*id, lookup);
  check(name.find_first_of("/.") == std::string::npos, ErrorCode::kFile, name,
        ": there is no such file; expected a model");
  return checked_zoo_name(name);  // throws
}

Checkpoint open_checkpoint(const fs::path& file) {
  try {
    return Checkpoint::open(file);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kFormat || !looks_like_torch(file)) throw;
    fail(error.code(), error.what(), "; `vitq convert` makes a safetensors file of a PyTorch .pth");
  }
}

std::vector<fs::path> built_in_folders() {
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  if (error) return {};
  const fs::path folder = program.parent_path();
  return {(folder / VITQ_DATA_FROM_PROGRAM).lexically_normal(), folder / "builtin"};
}

fs::path find_built_in_model(const std::string& precision) {
  std::vector<std::string> names;
  const bool is_float = precision == kFloatPrecision || precision == kBf16Precision;
  if (!is_float) names.emplace_back(kBuiltInArtifact);
  if (is_float || precision.empty()) names.emplace_back(kBuiltInFloat);
  std::vector<fs::path> tried;
  for (const std::string& name : names) {
    for (const fs::path& folder : built_in_folders()) {
      tried.push_back(folder / name);
      if (is_there(tried.back())) return tried.back();
    }
  }
  throw UsageError("--model is needed, a name or a safetensors file: the built-in model is not here, looked for " +
                   listed(tried) + "; `vitq pull NAME` downloads a model that has a name to " + model_home_text() +
                   " (or $VITQ_HOME), `vitq seed --model deit_t --out FILE` makes untrained weights");
}

fs::path find_float_model(const fs::path& file, const std::string& source, const std::string& name) {
  const auto home = find_model_home();
  std::vector<fs::path> tried;
  // The file name alone: metadata is anybody's text, and must not lead elsewhere.
  const fs::path source_name = fs::path(source).filename();
  if (!source_name.empty()) {
    tried.push_back(file.parent_path() / source_name);
    if (home) tried.push_back(*home / source_name);
    for (const fs::path& folder : built_in_folders()) tried.push_back(folder / source_name);
  }
  if (home && find_in_zoo(name) != nullptr) tried.push_back(*home / (name + ".safetensors"));
  for (const fs::path& candidate : tried) {
    if (is_there(candidate)) return candidate;
  }
  fail(ErrorCode::kFile, file.string(), ": the float model it was made from is not here, looked for ",
       tried.empty() ? "nothing (its metadata names none)" : listed(tried), "; name it: --against FILE");
}

}  // namespace vitq
