#pragma once
// The options that every command with a model takes, and the model they open.

#include <array>
#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "cli/args.h"
#include "cli/model_files.h"
#include "models/classifier.h"

namespace vitq {

struct ModelOptions {
  std::string model;          ///< zoo name or file; empty: the built-in one
  std::string precision;      ///< "fp32", "bf16" or "int8"; empty: whatever the model is
  int threads = 0;            ///< 0: all
  std::optional<int> resize;  ///< 0: none
  std::optional<double> crop_pct;
  std::optional<std::array<float, 3>> mean;
  std::optional<std::array<float, 3>> std;
};

/// Adds --model, --threads, --resize, --crop-pct, --mean and --std; parsing fills `options`.
void declare(ArgumentParser& parser, ModelOptions& options);
/// Adds --precision.
void declare_precision(ArgumentParser& parser, ModelOptions& options);

/// A model's file, recognised but not yet made ready to run.
struct OpenFile {
  std::filesystem::path file;
  Checkpoint checkpoint;
  ModelDescription description;  ///< its preprocessing changed by the options
  std::string precision;         ///< "fp32", "bf16", or an artifact's: "w8a8"
  std::string preprocessing;     ///< what is done to pictures and who says so, for people
  int own_resize = 0;            ///< what the preprocessing resizes to where no option says otherwise
};

/// Opens options.model, or the built-in one where it is empty. Throws UsageError where there is no such name, none is
/// built in, or --resize does not fit; Error where the file is no model or of another precision than asked for.
OpenFile open_model_file(const ModelOptions& options);

struct OpenModel {
  std::filesystem::path file;
  std::string precision;
  std::string preprocessing;
  std::map<std::string, std::string> metadata;  ///< the file's: a stranger's text
  Classifier classifier;
};

/// open_model_file(), made ready to run. Logs a warning where an artifact will run with seven-bit operands.
OpenModel open_model(const ModelOptions& options);

/// "fp32", or of an artifact what its metadata says: "w8a8". Throws Error where that is missing or is no such word.
std::string precision_of(const Checkpoint& checkpoint);

/// "resize 248 (bicubic), centre crop 224, mean 0.485,0.456,0.406, std 0.229,0.224,0.225".
std::string to_string(const Preprocessing& preprocessing);

}  // namespace vitq
