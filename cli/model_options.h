#pragma once
// The options that every command with a model takes, and the model they open.

#include <filesystem>
#include <map>
#include <optional>
#include <string>

#include "cli/args.h"
#include "cli/inference.h"
#include "cli/model_files.h"
#include "cli/notices.h"
#include "models/describe.h"
#include "vitq/stated.h"

namespace vitq {

struct ModelArguments {
  Notices notices;
  NetworkUse network;
  std::string model;      ///< as find_model_file() takes it; empty: the built-in one
  std::string precision;  ///< "fp32", "bf16" or "int8"; empty: whatever the model is
  int threads = 0;        ///< 0: all
  Stated stated;          ///< what the file does not say
};

/// Adds --model, --threads, what can be stated (statement_options.h), --offline, --strict and --quiet; parsing fills
/// `options`.
void declare(ArgumentParser& parser, ModelArguments& options);
/// Adds --precision.
void declare_precision(ArgumentParser& parser, ModelArguments& options);

/// --streams of commands that take many pictures (InferenceOptions::streams).
void declare_streams(ArgumentParser& parser, int& streams);

/// A model's file, recognised but not yet made ready to run.
struct OpenFile {
  std::filesystem::path file;
  Checkpoint checkpoint;
  ModelDescription description;
  std::string precision;      ///< "fp32", "bf16", or an artifact's: "w8a8"
  std::string preprocessing;  ///< what is done to pictures and who says so, for people
};

/// Opens options.model, or the built-in one where it is empty. Throws UsageError where there is no such name, or none
/// is built in; Error where the file is no model or of another precision than asked for.
OpenFile open_model_file(const ModelArguments& options);

/// Says what of a file is left behind, and what of its model is a guess.
void say_what_is_unsure(const Notices& notices, const OpenFile& opened);

struct OpenModel {
  std::filesystem::path file;
  std::string preprocessing;  ///< as OpenFile's
  Contestant contestant;

  [[nodiscard]] const std::string& precision() const { return contestant.session.model().precision(); }
  /// As OpenFile's.
  [[nodiscard]] const ModelDescription& description() const;
  /// The file's: a stranger's text.
  [[nodiscard]] const std::map<std::string, std::string>& metadata() const;
};

/// open_model_file(), made ready to run. Logs a warning where an artifact will run with seven-bit operands.
OpenModel open_model(const ModelArguments& options);

/// "resize 248 (bicubic), centre crop 224, mean 0.485,0.456,0.406, std 0.229,0.224,0.225".
std::string to_string(const Preprocessing& preprocessing);

}  // namespace vitq
