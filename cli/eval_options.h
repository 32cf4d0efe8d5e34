#pragma once
// What `vitq eval` is asked for.

#include <cstddef>
#include <string>

#include "cli/commands.h"
#include "cli/model_options.h"
#include "cli/picture_options.h"

namespace vitq {

struct EvalOptions {
  ModelArguments model;
  PictureArguments picture;
  std::string images;
  std::string labels;
  std::string zero_shot;
  std::string logits;
  std::string reference;
  std::string against;
  std::string format = "md";
  std::size_t limit = 0;  ///< 0: all
  int batch = 8;
  int streams = 0;          ///< 0: as InferenceOptions'
  int neighbours = 0;       ///< of --knn; 0: not asked for
  bool embeddings = false;  ///< compare embeddings, not logits
  bool force = false;
};

/// False: help was asked for and printed. Throws UsageError.
bool parse(const Arguments& args, EvalOptions& options);

}  // namespace vitq
