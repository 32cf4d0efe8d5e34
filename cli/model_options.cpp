#include "cli/model_options.h"

#include <set>
#include <sstream>

#include "api/model_impl.h"
#include "cli/output.h"
#include "cli/statement_options.h"
#include "engine/error.h"
#include "engine/gemm/onednn.h"
#include "engine/picture/resize.h"
#include "models/words.h"
#include "models/zoo.h"
#include "weights/artifact.h"
#include "weights/printable.h"

namespace vitq {
namespace {

constexpr int kMostThreads = 1024;
constexpr const char* kIntegerPrecision = "int8";

/// Who says what is done to pictures, each once: "metadata", or "metadata, stated".
std::string sources(const ModelDescription& description) {
  std::set<std::string> from;
  for (const Fact& fact : description.facts) {
    if (fact.what == "mean" || fact.what == "std" || fact.what == "resize") from.insert(fact.from);
  }
  std::string text;
  for (const std::string& source : from) text += (text.empty() ? "" : ", ") + source;
  return text;
}

}  // namespace

void declare(ArgumentParser& parser, ModelArguments& options) {
  parser.option("--model", "FILE|DIR|NAME",
                "a safetensors file, a folder as the Hugging Face hub lays it out,\na name of `vitq models`, or "
                "OWNER/NAME[@REVISION] of the hub; what is\nnamed and not here is downloaded (`vitq pull`)",
                text(options.model));
  parser.option("--threads", "N", "threads to compute with; default: as `vitq info` says",
                whole_number(options.threads, 1, kMostThreads));
  declare(parser, options.stated);
  declare(parser, options.network);
  declare(parser, options.notices);
}

void declare_precision(ArgumentParser& parser, ModelArguments& options) {
  parser.option("--precision", "fp32|bf16|int8",
                "bf16: a float32 model multiplied in bf16, where the CPU can (`vitq info`); int8: an artifact of\n"
                "`vitq quantize`, of a name NAME.w8a8.safetensors; default: what the file is",
                choice(options.precision, {kFloatPrecision, kBf16Precision, kIntegerPrecision}));
}

void declare_streams(ArgumentParser& parser, int& streams) {
  parser.option("--streams", "N|auto",
                "so many batches side by side, each with its share of the threads: more pictures a second, each\n"
                "later; default auto: 1 or as many as threads, what goes faster with the first of many batches",
                whole_number_or("auto", streams));
}

OpenFile open_model_file(const ModelArguments& options) {
  if (options.stated.resize && options.stated.crop_pct) {
    throw UsageError("--resize and --crop-pct exclude each other; give one");
  }
  const bool wants_integer = options.precision == kIntegerPrecision;
  const NetworkUse network{.offline = options.network.offline, .quiet = options.notices.quiet};
  const std::filesystem::path file =
      options.model.empty() ? find_built_in_model(options.precision)
                            : find_model_file(options.model, {.is_integer = wants_integer, .network = network});
  Checkpoint checkpoint = open_checkpoint(file);
  std::string precision = precision_of(checkpoint);
  const bool is_float = precision == kFloatPrecision;
  const bool wants_float = options.precision == kFloatPrecision || options.precision == kBf16Precision;
  check(!wants_integer || !is_float, file.string(), ": is a float32 model, expected an artifact (--precision int8); ",
        "make one with `vitq quantize --model ", file.string(), " --images DIR --out FILE`");
  check(!wants_float || is_float, file.string(), ": is a ", precision,
        " artifact, expected a float32 model (--precision ", options.precision, "); name the model it was made from");
  if (wants_float) precision = options.precision;
  ModelDescription description = describe_stated(checkpoint, zoo_name(options.model), options.stated);
  const std::string preprocessing = to_string(description.preprocessing) + " (" + sources(description) + ')';
  return {file, std::move(checkpoint), std::move(description), precision, preprocessing};
}

void say_what_is_unsure(const Notices& notices, const OpenFile& opened) {
  say_left_behind(notices, opened.file.string(), opened.checkpoint.left_behind());
  say_guesses(notices, opened.file.string(), opened.description);
}

OpenModel open_model(const ModelArguments& options) {
  OpenFile opened = open_model_file(options);
  say_what_is_unsure(options.notices, opened);
  const bool is_bf16 = opened.precision == kBf16Precision;
  if (opened.precision != kFloatPrecision && !is_bf16 && int8_saturates() && !options.notices.quiet) {
    log("vitq: warning: this CPU has no VNNI: weights, k and v run at seven bits");
  }
  const Preprocessing how = opened.description.preprocessing;
  auto model = make_model(opened.checkpoint, std::move(opened.description), {.bf16 = is_bf16});
  return {opened.file, opened.preprocessing, Contestant(std::move(model), options.threads, how)};
}

const ModelDescription& OpenModel::description() const { return contestant.session.model().impl().description; }

const std::map<std::string, std::string>& OpenModel::metadata() const {
  return contestant.session.model().impl().metadata;
}

std::string to_string(const Preprocessing& preprocessing) {
  std::ostringstream text;
  const auto list = [&](const std::array<float, 3>& values) {
    text << values[0] << ',' << values[1] << ',' << values[2];
  };
  if (preprocessing.resize == 0) {
    text << "no resize";
  } else {
    const bool keeps = preprocessing.resize_mode == ResizeMode::kShortest;
    text << (keeps ? "resize" : name_of(preprocessing.resize_mode)) << (keeps ? " " : " to ")
         << to_string(preprocessing.resize)
         << (preprocessing.interpolation == Interpolation::kBilinear ? " (bilinear" : " (bicubic")
         << (makes_floats(preprocessing) ? ", in float)" : ")");
  }
  text << ", centre crop " << to_string(preprocessing.image_size) << ", mean ";
  list(preprocessing.mean);
  text << ", std ";
  list(preprocessing.std);
  return text.str();
}

}  // namespace vitq
