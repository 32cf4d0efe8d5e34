#pragma once
// The options that every command with a model takes, and the model they open.

#include <array>
#include <filesystem>
#include <optional>
#include <string>

#include "cli/args.h"
#include "models/classifier.h"

namespace vitq {

struct ModelOptions {
  std::string model;  ///< zoo name or file; empty: the built-in one
  std::string precision = "fp32";
  int threads = 0;            ///< 0: all
  std::optional<int> resize;  ///< 0: none
  std::optional<double> crop_pct;
  std::optional<std::array<float, 3>> mean;
  std::optional<std::array<float, 3>> std;
};

/// Adds --model, --threads, --precision, --resize, --crop-pct, --mean and --std; parsing fills `options`.
void declare(ArgumentParser& parser, ModelOptions& options);

struct OpenModel {
  Classifier classifier;
  std::filesystem::path file;
  std::string preprocessing;  ///< what is done to pictures and who says so, for people
};

/// Throws UsageError where no model is named or --resize does not fit it, and as Classifier::open.
OpenModel open_model(const ModelOptions& options);

/// locate_model(), with the nearest name where there is none (UsageError), and a message that says what the file is
/// for.
std::filesystem::path find_model_file(const std::string& model);

/// Throws UsageError with the nearest zoo name unless `name` is one.
void check_zoo_name(const std::string& name);

/// "resize 248 (bicubic), centre crop 224, mean 0.485,0.456,0.406, std 0.229,0.224,0.225".
std::string to_string(const Preprocessing& preprocessing);

}  // namespace vitq
