#include <map>
#include <optional>
#include <sstream>
#include <string>

#include "cli/args.h"
#include "cli/commands.h"
#include "cli/model_files.h"
#include "cli/notices.h"
#include "cli/output.h"
#include "cli/output_file.h"
#include "cli/progress.h"
#include "cli/statement_options.h"
#include "engine/error.h"
#include "models/describe.h"
#include "models/hub_id.h"
#include "models/zoo.h"
#include "vitq/version.h"
#include "weights/artifact.h"
#include "weights/names.h"
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
  std::optional<std::string> prefix;
  Stated stated;
  Notices notices;
  bool force = false;
};

/// Reads what stands before a model's names; "" is the top.
Reader prefix(std::optional<std::string>& target) {
  return [&target](const std::string& text) -> std::string {
    target = text.empty() || text.ends_with('.') ? text : text + '.';
    return "";
  };
}

bool parse(const Arguments& args, Options& options) {
  std::vector<std::string> files;
  NetworkUse network;
  ArgumentParser parser(
      "convert", "IN --out FILE [--model NAME] [--mean R,G,B] [--heads N] [OPTIONS]",
      "Turns a checkpoint as it is published into a safetensors file that vitq runs: float32, the names of timm,\n"
      "and what describes the model. IN is PyTorch's (.pth, .pt; 1.6 and newer), a safetensors file, the index of\n"
      "several, a folder as the Hugging Face hub lays it out, or OWNER/NAME of the hub. Its names are those of\n"
      "timm, transformers, open_clip, Meta or Microsoft (docs/models.md), whatever the model is wrapped in. Weights\n"
      "are found at the top or under state_dict or model; the rest (a text tower, optimizer, ...) is left behind\n"
      "and listed. A pickle is read as data: no code in it is executed. What IN does not state can be stated here,\n"
      "and is written into FILE.");
  parser.operands(files, 1);
  parser.option("--out", "FILE", "the safetensors file to write", text(options.out));
  parser.option("--model", "NAME", "insist that it is this model of `vitq models`; default: what names and shapes tell",
                text(options.model));
  parser.option("--key", "NAME", "the entry of a PyTorch file that holds the weights, such as model_ema",
                text(options.key));
  parser.option("--prefix", "NAME.", "of several models in IN the one whose names begin so", prefix(options.prefix));
  declare(parser, options.stated);
  declare_names(parser, options.stated);
  declare(parser, network);
  declare(parser, options.notices);
  parser.flag("--force", options.force, "replace FILE if it exists");
  if (!parser.parse(args)) return false;
  if (files.empty()) parser.fail("a file is missing, expected the checkpoint to convert");
  if (options.out.empty()) parser.fail("--out is missing, expected the file to write");
  if (!options.model.empty()) options.model = checked_zoo_name(options.model);
  options.in = files.front();
  std::error_code error;
  const bool is_path = std::filesystem::exists(options.in, error);
  const bool is_name = find_in_zoo(options.in) != nullptr || hub_id(options.in).has_value();
  check(is_path || is_name, ErrorCode::kFile, options.in, ": there is no such file; expected a checkpoint");
  network.quiet = options.notices.quiet;
  options.in = find_model_file(options.in, {.pickles = true, .network = network}).string();
  return true;
}

/// IN, of either format, under canonical names.
Checkpoint open_published(const Options& options) {
  if (!looks_like_torch(options.in)) {
    check(options.key.empty(), options.in, ": is no PyTorch file, --key has no meaning for it");
    Checkpoint checkpoint = Checkpoint::open(options.in, options.prefix);
    check(!is_artifact(checkpoint), options.in,
          ": is quantized already, expected float weights; vitq runs it as it is");
    return checkpoint;
  }
  std::optional<Progress> bar;
  const auto advance = [&bar](std::size_t total) {
    if (!bar) bar.emplace("convert", total);
    bar->advance();
  };
  return read_torch_checkpoint(options.in, {.key = options.key, .wrapper = options.prefix, .progress = advance});
}

/// The same; where an option could choose what is wanted, the error names it.
Checkpoint open_or_advise(const Options& options) {
  try {
    return open_published(options);
  } catch (const NoStateDict& missing) {
    fail(missing.code(), missing.what(), options.key.empty() ? ": --key NAME" : "");
  } catch (const SeveralModels& several) {
    fail(several.code(), several.what(), ": --prefix NAME.");
  }
}

/// What was read, each fact of the model with who says it, and what is not in FILE.
std::string report(const Options& options, const ModelDescription& description,
                   const std::vector<std::string>& left_behind) {
  std::ostringstream text;
  text << one_line(options.out) << ": " << one_line(description.name) << ", " << parameter_count(description.config)
       << " parameters, " << description.config.classes << " classes, float32, from " << one_line(options.in) << '\n';
  for (const Fact& fact : description.facts) text << "  " << one_line(to_string(fact)) << '\n';
  if (!left_behind.empty()) text << "  left behind: " << left_behind_text(left_behind) << '\n';
  return text.str();
}

}  // namespace

int convert_command(const Arguments& args) {
  Options options;
  if (!parse(args, options)) return 0;
  check_output_file(options.out, options.force);
  const Checkpoint checkpoint = open_or_advise(options);
  const auto insist = options.model.empty() ? std::nullopt : std::optional(options.model);
  const ModelDescription description = describe_stated(checkpoint, insist, options.stated);
  say_guesses(options.notices, options.in, description);

  auto metadata = metadata_of(description);
  metadata["source"] = printable(std::filesystem::path(options.in).filename().string());
  metadata["vitq_version"] = std::string(version());
  // What the source says of itself stays, but under no key that means something to vitq.
  constexpr std::string_view kSource = "source.";
  for (const auto& [key, value] : checkpoint.metadata()) {
    if (key.starts_with(kSource)) {
      metadata[key] = value;
    } else if (!is_of_vitq(checkpoint)) {
      metadata[std::string(kSource) + key] = value;
    }
  }
  save_checkpoint(options.out, checkpoint, metadata);
  print(report(options, description, checkpoint.left_behind()));
  return 0;
}

}  // namespace vitq
