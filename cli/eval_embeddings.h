#pragma once
// The evaluations of `vitq eval` that need no classes of the model: nearest neighbours, and embeddings against another
// model's.

#include "cli/eval_options.h"

namespace vitq {

/// Whether `options` ask for that, of `model`.
bool evaluates_embeddings(const EvalOptions& options, const OpenModel& model);

/// Runs and prints it. Returns the exit code.
int evaluate_embeddings(EvalOptions options, OpenModel& model);

}  // namespace vitq
