#include <map>
#include <optional>
#include <sstream>
#include <string>

#include "cli/args.h"
#include "cli/commands.h"
#include "cli/model_files.h"
#include "cli/output.h"
#include "cli/output_file.h"
#include "cli/progress.h"
#include "engine/error.h"
#include "models/describe.h"
#include "vitq/version.h"
#include "weights/artifact.h"
#include "weights/printable.h"
#include "weights/torch_checkpoint.h"
#include "weights/torch_pickle.h"

namespace vitq {
namespace {

struct Options {
  std::string in;
  std::string out;
  std::string model;
  std::string key;
  bool force = false;
};

bool parse(const Arguments& args, Options& options) {
  std::vector<std::string> files;
  ArgumentParser parser(
      "convert", "IN --out FILE [--model NAME] [--key NAME] [--force]",
      "Turns a checkpoint as it is published into a safetensors file that vitq runs: float32, the names of timm,\n"
      "and what describes the model. IN is PyTorch's (.pth, .pt; 1.6 and newer) or a safetensors file, its names\n"
      "those of timm, official DeiT or official Swin. Weights are found at the top or under state_dict or model;\n"
      "all else (optimizer, epoch, ...) is left behind. Nothing that stands in IN is run.");
  parser.operands(files, 1);
  parser.option("--out", "FILE", "the safetensors file to write", text(options.out));
  parser.option("--model", "NAME", "insist that it is this model of `vitq models`; default: what names and shapes tell",
                text(options.model));
  parser.option("--key", "NAME", "the entry of a PyTorch file that holds the weights, such as model_ema",
                text(options.key));
  parser.flag("--force", options.force, "replace FILE if it exists");
  if (!parser.parse(args)) return false;
  if (files.empty()) parser.fail("a file is missing, expected the checkpoint to convert");
  if (options.out.empty()) parser.fail("--out is missing, expected the file to write");
  if (!options.model.empty()) check_zoo_name(options.model);
  options.in = files.front();
  return true;
}

/// IN, of either format, under canonical names.
Checkpoint open_published(const Options& options) {
  std::error_code error;
  check(std::filesystem::exists(options.in, error), ErrorCode::kFile, options.in,
        ": there is no such file; expected a checkpoint");
  if (!looks_like_torch(options.in)) {
    check(options.key.empty(), options.in, ": is no PyTorch file, --key has no meaning for it");
    Checkpoint checkpoint = Checkpoint::open(options.in);
    check(!is_artifact(checkpoint), options.in,
          ": is quantized already, expected float weights; vitq runs it as it is");
    return checkpoint;
  }
  std::optional<Progress> bar;
  const auto advance = [&bar](std::size_t total) {
    if (!bar) bar.emplace("convert", total);
    bar->advance();
  };
  try {
    return read_torch_checkpoint(options.in, {.key = options.key, .progress = advance});
  } catch (const NoStateDict& missing) {
    fail(missing.code(), missing.what(), options.key.empty() ? ": --key NAME" : "");
  }
}

}  // namespace

int convert_command(const Arguments& args) {
  Options options;
  if (!parse(args, options)) return 0;
  check_output_file(options.out, options.force);
  const Checkpoint checkpoint = open_published(options);
  const auto insist = options.model.empty() ? std::nullopt : std::optional(options.model);
  const ModelDescription description = describe(checkpoint, insist);

  // What the source says of itself stays, where vitq does not say it too.
  auto metadata = metadata_of(description);
  metadata["source"] = printable(std::filesystem::path(options.in).filename().string());
  metadata["vitq_version"] = std::string(version());
  metadata.insert(checkpoint.metadata().begin(), checkpoint.metadata().end());
  save_checkpoint(options.out, checkpoint, metadata);

  std::ostringstream line;
  line << one_line(options.out) << ": " << one_line(description.name) << ", " << parameter_count(description.config)
       << " parameters, " << description.config.classes << " classes, float32, from " << one_line(options.in) << '\n';
  print(line.str());
  return 0;
}

}  // namespace vitq
