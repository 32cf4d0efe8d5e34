#pragma once
// The second model of `vitq eval --against`.

#include "cli/eval_options.h"
#include "cli/inference.h"

namespace vitq {

/// Opens options.against: a file or name, or, for "fp32", the float model that `model` was made from. Says where that
/// is another file. Throws Error where there is none, or where its answer is of another size.
OpenModel open_reference(const EvalOptions& options, const OpenModel& model, Answer answer);

}  // namespace vitq
