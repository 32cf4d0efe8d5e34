#include "cli/conditions.h"

#include "cli/output.h"
#include "engine/cpu.h"
#include "engine/gemm/onednn.h"

namespace vitq {

std::string conditions_of(const OpenModel& model) {
  const int threads = model.contestant.session.threads();
  return "model " + one_line(model.description().name) + ", " + model.precision() + ", " + std::to_string(threads) +
         (threads == 1 ? " thread, " : " threads, ") + effective_isa();
}

void add_conditions(Record& record, const OpenModel& model, int batch, const PictureArguments& picture,
                    const std::string& sha256) {
  constexpr double kMebibyte = 1 << 20;
  record["threads"] = model.contestant.session.threads();
  record["batch"] = batch;
  add_system(record);
  record["file"] = model.file.string();
  record["sha256"] = sha256;
  record["preprocessing"] = model.preprocessing + exif_text(picture);
  record["peak_rss_mb"] = rounded(static_cast<double>(peak_rss_bytes()) / kMebibyte, 1);
}

}  // namespace vitq
