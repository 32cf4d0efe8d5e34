#include <iomanip>
#include <map>
#include <optional>
#include <sstream>

#include "cli/args.h"
#include "cli/commands.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "cli/sites.h"
#include "cli/statement_options.h"
#include "cli/wait_policy.h"
#include "engine/cpu.h"
#include "engine/error.h"
#include "engine/gemm/onednn.h"
#include "engine/kernels/dispatch.h"
#include "engine/threads.h"
#include "models/describe.h"
#include "models/model_home.h"
#include "vitq/version.h"
#include "weights/artifact.h"
#include "weights/printable.h"
#include "weights/safetensors.h"
#include "weights/shards.h"

namespace vitq {
namespace {

/// Lines "key    value".
class Sheet {
 public:
  template <class... Parts>
  void row(const std::string& key, const Parts&... parts) {
    constexpr int kColumn = 16;
    text_ << std::left << std::setw(kColumn) << key;
    (text_ << ... << parts) << '\n';
  }
  [[nodiscard]] std::string text() const { return text_.str(); }

 private:
  std::ostringstream text_;
};

/// What the integer products will run on, as far as the instruction set tells.
std::string int8_support(const std::string& isa) {
  const auto has = [&](const char* word) { return isa.find(word) != std::string::npos; };
  if (int8_saturates()) return "neither AMX nor VNNI: weights, k and v run at seven bits, with less gain in speed";
  if (isa == "AVX2") return "AVX2: exact, with less gain in speed than VNNI gives";
  return has("AMX") ? "AMX tiles" : "VNNI dot products";
}

std::string bf16_support(const std::string& isa) {
  if (!has_bf16()) return "neither AMX nor AVX512_BF16: --precision bf16 is refused";
  return isa.find("AMX") != std::string::npos ? "AMX tiles" : "AVX-512 dot products";
}

std::string machine() {
  Sheet sheet;
  sheet.row("vitq", version());
  sheet.row("oneDNN", onednn_version());
  sheet.row("ISA", effective_isa());
  sheet.row("kernels", kernels().name);
  sheet.row("CPU", one_line(cpu_name()));
  const ThreadLimit threads = thread_limit();
  sheet.row("threads", threads.count, " (", threads.reason, ")");
  sheet.row("waiting", wait_policy());
  sheet.row("int8", int8_support(effective_isa()));
  sheet.row("bf16", bf16_support(effective_isa()));
  sheet.row("models", one_line(model_home_text()));
  return sheet.text();
}

std::string head_text(const ModelConfig& config) {
  if (config.projection > 0) return "a projection to " + std::to_string(config.projection);
  return config.classes == 0 ? "none" : std::to_string(config.classes) + " classes";
}

/// What is stored in `files`, which are those of `path`: one, or the parts that an index names.
void add_contents(Sheet& sheet, const std::filesystem::path& path, const std::vector<SafetensorsFile>& files) {
  struct Total {
    std::size_t tensors = 0;
    std::int64_t elements = 0;
  };
  std::map<std::string_view, Total> totals;
  std::size_t bytes = 0;
  std::size_t tensors = 0;
  for (const SafetensorsFile& file : files) {
    bytes += file.file_size();
    tensors += file.tensors().size();
    for (const FileTensor& tensor : file.tensors()) {
      Total& total = totals[dtype_name(tensor.dtype)];
      ++total.tensors;
      total.elements += element_count(tensor.shape);
    }
  }
  sheet.row("file", one_line(path.string()));
  sheet.row("format", "safetensors, ", bytes, " bytes",
            files.size() > 1 ? " in " + std::to_string(files.size()) + " parts" : "");
  sheet.row("tensors", tensors);
  for (const auto& [dtype, total] : totals) {
    sheet.row("", dtype, ": ", total.elements, " elements in ", total.tensors, " tensors");
  }
}

/// The model, where it is one.
std::optional<ModelDescription> add_model(Sheet& sheet, const Checkpoint& checkpoint) {
  constexpr double kBillion = 1e9;
  ModelDescription model;
  try {
    model = describe(checkpoint);
  } catch (const Error& error) {
    sheet.row("model", "none that vitq knows: ", one_line(error.what()));
    return std::nullopt;
  }
  sheet.row("model", printable(model.name));
  sheet.row("architecture", name_of(model.config.architecture()), ", ", model.config.image_size.height, " x ",
            model.config.image_size.width, " pixels, patch ", model.config.patch);
  sheet.row("parameters", parameter_count(model.config));
  sheet.row("GMAC", std::fixed, std::setprecision(2),
            static_cast<double>(multiply_accumulates(model.config)) / kBillion);
  sheet.row("head", head_text(model.config));
  sheet.row("preprocessing", to_string(model.preprocessing));
  for (const Fact& fact : model.facts) sheet.row(fact.what, one_line(fact.value), " (", fact.from, ")");
  if (!checkpoint.left_behind().empty()) sheet.row("left behind", left_behind_text(checkpoint.left_behind()));
  return model;
}

/// What an artifact says of its calibration.
void add_calibration(Sheet& sheet, const SafetensorsFile& file, const ModelDescription& model) {
  const auto text = [&](const char* key) {
    const auto found = file.metadata().find(key);
    return found != file.metadata().end() ? printable(found->second) : std::string("-");
  };
  constexpr double kFloatBytes = sizeof(float);
  const auto parameters = static_cast<double>(parameter_count(model.config));
  sheet.row("precision", text("precision"), ", edges ", text("edge_bits"), " bits, schema ", text("schema"));
  sheet.row("method", "softmax ", text("softmax"), ", scale factor ", text("scale_factor"), ", fold strength ",
            text("fold_strength"), ", rounding ", text("rounding"), ", code books ", text("code_books"),
            ", weight code books ", text("weight_code_books"), ", bias correction ", text("bias_correction"),
            ", kept in float: ", text("keep_float"));
  sheet.row("calibration", text("calibration_count"), " pictures, seed ", text("calibration_seed"), ", sha256 ",
            text("calibration_sha256"));
  sheet.row("made from", text("source"), " by vitq ", text("vitq_version"));
  sheet.row("size", std::fixed, std::setprecision(3),
            static_cast<double>(file.file_size()) / (kFloatBytes * parameters), " of float32");
}

/// The per-layer table of an artifact, or why there is none.
std::string report(const SafetensorsFile& file) {
  const auto found = file.metadata().find("report");
  if (found == file.metadata().end()) return "";
  try {
    return '\n' + site_table(parse_sites(found->second));
  } catch (const Error& error) {
    Sheet sheet;
    sheet.row("report", "cannot be read: ", one_line(error.what()));
    return sheet.text();
  }
}

std::string contents(const std::filesystem::path& path, bool with_tensors) {
  Sheet sheet;
  const Checkpoint checkpoint = open_checkpoint(path);
  const std::vector<SafetensorsFile> files = open_files(path);
  add_contents(sheet, path, files);
  if (!checkpoint.naming().empty()) sheet.row("names", checkpoint.naming());
  const std::optional<ModelDescription> model = add_model(sheet, checkpoint);
  if (model && is_artifact(checkpoint)) add_calibration(sheet, files.front(), *model);
  for (const auto& [key, value] : checkpoint.metadata()) {
    if (key != "report") sheet.row("metadata", printable(key), " = ", printable(value));
  }
  for (const SafetensorsFile& file : files) {
    if (!with_tensors) break;
    for (const FileTensor& tensor : file.tensors()) {
      sheet.row("tensor", printable(tensor.name), ' ', dtype_name(tensor.dtype), ' ', to_string(tensor.shape));
    }
  }
  return sheet.text() + report(files.front());
}

}  // namespace

int info_command(const Arguments& args) {
  std::vector<std::string> files;
  bool with_tensors = false;
  NetworkUse network;
  ArgumentParser parser(
      "info", "[FILE|DIR|NAME] [--tensors] [--offline]",
      "Tells what a safetensors file holds, a folder as the Hugging Face hub lays it out, a model of\n"
      "`vitq models`, or OWNER/NAME of the hub; without one, what this program and this machine are.");
  parser.flag("--tensors", with_tensors, "list all tensors, as the file names them");
  declare(parser, network);
  parser.operands(files, 1);
  if (!parser.parse(args)) return 0;
  if (files.empty() && with_tensors) parser.fail("--tensors needs a FILE");
  print(files.empty() ? machine() : contents(find_model_file(files.front(), {.network = network}), with_tensors));
  return 0;
}

}  // namespace vitq
