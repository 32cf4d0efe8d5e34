#pragma once
// Under what conditions pictures went through a model, as every command reports it.

#include <string>

#include "cli/model_options.h"
#include "cli/picture_options.h"
#include "cli/record.h"

namespace vitq {

/// "model deit_t, w8a8, 2 threads, AVX512_CORE".
std::string conditions_of(const OpenModel& model);

/// Adds threads, batch, the system (add_system), file, sha256 (of that file), preprocessing, peak_rss_mb.
void add_conditions(Record& record, const OpenModel& model, int batch, const PictureArguments& picture,
                    const std::string& sha256);

}  // namespace vitq
