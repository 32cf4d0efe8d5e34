#include <algorithm>
#include <array>
#include <chrono>
#include <iomanip>
#include <optional>
#include <sstream>
#include <utility>

#include "cli/args.h"
#include "cli/commands.h"
#include "cli/model_options.h"
#include "cli/notices.h"
#include "cli/output.h"
#include "cli/output_file.h"
#include "cli/picture_options.h"
#include "cli/pictures.h"
#include "cli/progress.h"
#include "cli/record.h"
#include "cli/sample.h"
#include "cli/sha256.h"
#include "cli/sites.h"
#include "engine/error.h"
#include "engine/picture/resize.h"
#include "engine/threads.h"
#include "quant/calibrate.h"
#include "quant/picture_faults.h"
#include "vitq/version.h"

namespace vitq {
namespace {

constexpr int kLeastBits = 3;
constexpr int kMostBits = 8;
constexpr double kLeastMegabytes = 0.001;
constexpr double kMostMegabytes = 1e6;
constexpr double kMegabyte = 1e6;

constexpr std::array<std::pair<const char*, SoftmaxMethod>, 4> kSoftmaxMethods{
    {{"tanq", SoftmaxMethod::kTanq},
     {"uniform", SoftmaxMethod::kUniform},
     {"log2", SoftmaxMethod::kLog2},
     {"logsqrt2", SoftmaxMethod::kLogSqrt2}}};
constexpr std::array<std::pair<const char*, ScaleFactor>, 3> kScaleFactors{
    {{"median", ScaleFactor::kMedian}, {"mean", ScaleFactor::kMean}, {"mad", ScaleFactor::kMad}}};

/// Reads one of the names of `choices`; `name` keeps what was read.
template <class Value, std::size_t kSize>
Reader named(Value& target, std::string& name, const std::array<std::pair<const char*, Value>, kSize>& choices) {
  return [&target, &name, &choices](const std::string& text) -> std::string {
    std::vector<std::string> names;
    for (const auto& [choice, value] : choices) {
      names.emplace_back(choice);
      if (text == choice) target = value;
    }
    return choice(name, names)(text);
  };
}

constexpr std::array<std::pair<const char*, Rounding>, 2> kRoundings{
    {{"gptq", Rounding::kGptq}, {"nearest", Rounding::kNearest}}};

struct Options {
  ModelArguments model;
  PictureArguments picture;
  std::vector<std::string> images;
  std::string out;
  std::string preset;
  std::string keep_float;
  std::string code_books = "fc2,proj";
  std::string row_scales = "auto";
  std::string rounding = "gptq";
  std::string softmax = "tanq";
  std::string scale_factor = "median";
  int weight_bits = 0;      ///< 0: the preset's
  int activation_bits = 0;  ///< 0: the preset's
  std::optional<double> max_mb;
  std::size_t count = 32;
  std::uint64_t seed = 0;
  bool no_bias_correction = false;
  bool even_weights = false;
  bool force = false;
  bool json = false;
  QuantizeOptions how;
};

void declare_method(ArgumentParser& parser, Options& options) {
  parser.option("--preset", "w8a8|w6a6|w4a8|w4a4|w3a3", "bits of weights and activations; default w8a8",
                choice(options.preset, {"w8a8", "w6a6", "w4a8", "w4a4", "w3a3"}));
  parser.option("--weight-bits", "N", "bits of weights, 3 to 8, whatever the preset says",
                whole_number(options.weight_bits, kLeastBits, kMostBits));
  parser.option("--activation-bits", "N", "bits of activations, 3 to 8, whatever the preset says",
                whole_number(options.activation_bits, kLeastBits, kMostBits));
  parser.option("--edge-bits", "N", "both, of the patch embedding and the head; default 8",
                whole_number(options.how.edge_bits, kLeastBits, kMostBits));
  parser.option("--max-mb", "M",
                "the artifact has at most M * 10^6 bytes: layers get 3 bits to those of --preset or\n"
                "--weight-bits each, fewest where they matter least",
                number(options.max_mb, kLeastMegabytes, kMostMegabytes));
  parser.option("--softmax", "tanq|uniform|log2|logsqrt2", "code book of attention; default tanq",
                named(options.how.softmax, options.softmax, kSoftmaxMethods));
  parser.option("--scale-factor", "median|mean|mad", "how a LayerNorm's channels become one scale; default median",
                named(options.how.scale_factor, options.scale_factor, kScaleFactors));
  parser.option("--fold-strength", "A",
                "how far a LayerNorm takes over its channels' scales, 0 to 1; default: the\n"
                "best measured for the bits",
                number(options.how.fold_strength, 0, 1));
  parser.option("--rounding", "gptq|nearest", "how weights of less than 8 bits become codes; default gptq",
                named(options.how.rounding, options.rounding, kRoundings));
  parser.option("--code-books", "SITE,...|none",
                "layers whose inputs of less than 8 bits are unevenly spaced (Lloyd-Max);\n"
                "default fc2,proj: the outputs of GELU and of attention",
                text(options.code_books));
  parser.option("--row-scales", "auto|none|SITE,...",
                "layers that take a scale for each token; default auto: where some tokens' values\n"
                "are so much larger than the others' that one scale holds none of them well",
                text(options.row_scales));
  parser.flag("--even-weights", options.even_weights,
              "weights of 4 bits or less evenly spaced, instead of on a code book of the layer's own");
  parser.flag("--no-bias-correction", options.no_bias_correction, "leave the biases as they are");
  parser.option("--keep-float", "SITE,...",
                "leave these in float32: patch, qkv, attention, proj, fc1, fc2, reduction, head,\n"
                "or single ones (blocks.0.mlp.fc2)",
                text(options.keep_float));
}

bool parse(const Arguments& args, Options& options) {
  constexpr std::size_t kMostPictures = 1024;
  ArgumentParser parser("quantize", "--model NAME|FILE --images DIR --out FILE [--preset w8a8] [OPTIONS]",
                        "Turns a float32 model into one that runs on integers, fitted to a few pictures (without\n"
                        "labels). It is stored with the model's own preprocessing, changed by --crop-pct, --mean and\n"
                        "--std; --resize holds for the calibration pictures alone.");
  parser.list("--images", "DIR|FILE ...", "pictures to choose from; of a directory, all in it and below it",
              options.images);
  parser.option("--out", "FILE", "the artifact to write", text(options.out));
  declare(parser, options.model);
  declare(parser, options.picture);
  parser.option("--count", "N", "pictures to use; default 32",
                whole_number<std::size_t>(options.count, 1, kMostPictures));
  parser.option("--seed", "N", "which of the pictures, the same on every machine; default 0",
                whole_number<std::uint64_t>(options.seed, 0));
  declare_method(parser, options);
  parser.flag("--force", options.force, "replace FILE if it exists");
  parser.flag("--json", options.json,
              "one object: file, model, source, precision, bits and methods, pictures, calibration_sha256,\n"
              "calibration_s, bytes, ratio_to_fp32, sites: [{name, weight_bits, input_bits, sqnr_db,\n"
              "tanq_a, tanq_c, scale_spread}]; sqnr_db: how well a site's codes fit the calibration\n"
              "pictures, no measure of quality; is_flat: true where what it takes has no range there");
  if (!parser.parse(args)) return false;
  if (options.images.empty()) parser.fail("--images is missing, expected a directory of pictures");
  if (options.out.empty()) parser.fail("--out is missing, expected the file to write");
  // "w4a8": the digits are the bits.
  const std::string bits = options.preset.empty() ? "w8a8" : options.preset;
  options.how.weight_bits = options.weight_bits != 0 ? options.weight_bits : bits[1] - '0';
  options.how.activation_bits = options.activation_bits != 0 ? options.activation_bits : bits[3] - '0';
  options.how.bias_correction = !options.no_bias_correction;
  options.how.weight_code_books = !options.even_weights;
  options.how.keep_float = comma_separated(options.keep_float);
  if (options.row_scales != "auto") {
    options.how.row_scales =
        options.row_scales == "none" ? std::vector<std::string>() : comma_separated(options.row_scales);
  }
  options.how.code_books =
      options.code_books == "none" ? std::vector<std::string>() : comma_separated(options.code_books);
  options.how.most_bytes = static_cast<std::int64_t>(options.max_mb.value_or(0) * kMegabyte);
  options.how.threads = options.model.threads;
  return true;
}

/// The pictures as the model sees them, [count, 3, height, width].
std::vector<float> load(const std::vector<std::filesystem::path>& pictures, const Preprocessing& preprocessing,
                        const Options& options) {
  const DecodeOptions decoding = decode_options(options.picture, {&preprocessing});
  ReductionNotice reduction(options.model.notices);
  const std::size_t size = ModelConfig::kChannels * preprocessing.image_size.pixels();
  std::vector<float> images(pictures.size() * size);
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    const Image image = load_image(pictures[i], decoding);
    if (image.reduction > 1) reduction.say(pictures[i], image.reduction);
    try {
      preprocess(image, preprocessing, std::span(images).subspan(i * size, size));
    } catch (const Error& error) {
      fail(error.code(), pictures[i].string(), ": ", error.what());
    }
  }
  return images;
}

/// How many pictures or sites a warning names.
constexpr std::size_t kMostNamed = 3;

/// Says what makes ranges worthless that are fitted to these pictures.
void say_faults_of(const std::vector<float>& images, const std::vector<std::filesystem::path>& pictures,
                   const Preprocessing& how, const Notices& notices) {
  const std::size_t count = pictures.size();
  const PictureFaults faults = find_picture_faults(images, std::ssize(pictures), how.std);
  if (count > 1 && faults.different == 1) {
    notices.say(text_of("calibration: all ", count, " pictures are the same; what is fitted to them suits no other"));
  } else if (2 * static_cast<std::size_t>(faults.different) <= count) {
    notices.say(text_of("calibration: of ", count, " pictures only ", faults.different, " are different"));
  }
  if (faults.plain.empty()) return;
  std::vector<std::string> names;
  for (const std::int64_t i : faults.plain) names.push_back(pictures[i].filename().string());
  notices.say(text_of("calibration: ", names.size(), " of ", count,
                      " pictures are of one colour: ", some_of(names, kMostNamed)));
}

void say_faults_of(const std::vector<SiteReport>& sites, const Notices& notices) {
  std::vector<std::string> names;
  for (const SiteReport& site : sites) {
    if (site.is_flat) names.push_back(site.name);
  }
  if (names.empty()) return;
  notices.say(text_of("calibration: what ", names.size(), " of ", sites.size(),
                      " sites take has no range on these pictures: ", some_of(names, kMostNamed)));
}

/// What the calibration was made of, which the artifact does not know by itself.
Record describe_calibration(const Options& options, const OpenFile& source, const std::string& sha256) {
  Record record{{"calibration_count", options.count},
                {"calibration_seed", options.seed},
                {"calibration_sha256", sha256},
                {"source", source.file.filename().string()},
                {"source_sha256", sha256_of_file(source.file)}};
  if (options.picture.no_exif) record["calibration_exif"] = "ignored";
  return record;
}

void add_metadata(ArtifactBuilder& artifact, const Record& calibration, const std::vector<SiteReport>& sites) {
  for (const auto& [key, value] : calibration.items()) {
    artifact.set_metadata(key, value.is_string() ? value.get<std::string>() : value.dump());
  }
  artifact.set_metadata("vitq_version", std::string(version()));
  artifact.set_metadata("report", to_record(sites).dump());
}

/// Bits and methods. fold_strength is null where each layer has the default of its own bits.
Record describe_method(const Options& options) {
  const QuantizeOptions& how = options.how;
  Record fold;
  if (how.fold_strength || how.most_bytes == 0) {
    fold = how.fold_strength.value_or(default_fold_strength(how.weight_bits, how.activation_bits));
  }
  return {{"precision", precision_name(how)},
          {"weight_bits", how.weight_bits},
          {"activation_bits", how.activation_bits},
          {"edge_bits", how.edge_bits},
          {"softmax", options.softmax},
          {"scale_factor", options.scale_factor},
          {"fold_strength", fold},
          {"rounding", options.rounding},
          {"code_books", options.code_books},
          {"row_scales", options.row_scales},
          {"weight_code_books", how.weight_code_books},
          {"bias_correction", how.bias_correction},
          {"keep_float", options.keep_float}};
}

Record make_record(const Options& options, const OpenFile& source, const Record& calibration,
                   const std::vector<std::filesystem::path>& pictures, double seconds) {
  constexpr double kFloatBytes = sizeof(float);
  const auto bytes = static_cast<double>(std::filesystem::file_size(options.out));
  const auto parameters = static_cast<double>(parameter_count(source.description.config));
  Record record{{"file", options.out}, {"model", source.description.name}};
  record.update(describe_method(options));
  record.update(calibration);
  record["pictures"] = Record::array();
  for (const std::filesystem::path& picture : pictures) record["pictures"].push_back(picture.filename().string());
  record["calibration_s"] = rounded(seconds, 2);
  record["threads"] = options.how.threads > 0 ? options.how.threads : available_threads();
  record["bytes"] = bytes;
  record["ratio_to_fp32"] = rounded(bytes / (kFloatBytes * parameters), 4);
  record["preprocessing"] = source.preprocessing + exif_text(options.picture);
  add_system(record);
  return record;
}

std::string summary(const Record& record) {
  std::ostringstream text;
  const auto word = [&](const char* key) { return one_line(record.at(key).get<std::string>()); };
  constexpr double kMebibyte = 1 << 20;
  text << std::fixed << std::setprecision(2) << word("file") << ": " << word("model") << ' ' << word("precision")
       << ", " << record.at("bytes").get<double>() / kMebibyte << " MiB, " << record.at("ratio_to_fp32").get<double>()
       << " of float32\n"
       << "calibrated on " << record.at("pictures").size() << " pictures (seed " << record.at("calibration_seed")
       << ") in " << std::setprecision(1) << record.at("calibration_s").get<double>() << " s, " << record.at("threads")
       << " threads, " << word("isa") << "\nsha256 of the pictures " << word("calibration_sha256") << '\n';
  return text.str();
}

QuantizedModel quantize(const OpenFile& source, const std::vector<float>& images, const Options& options) {
  std::optional<Progress> bar;
  QuantizeOptions how = options.how;
  how.progress = [&bar](int, int total, const std::string&) {
    if (!bar) bar.emplace("quantize", static_cast<std::size_t>(total));
    bar->advance();
  };
  return quantize_model(source.checkpoint, source.description, images, static_cast<std::int64_t>(options.count), how);
}

}  // namespace

int quantize_command(const Arguments& args) {
  Options options;
  if (!parse(args, options)) return 0;
  options.model.precision = kFloatPrecision;
  // --resize holds for the calibration pictures; the model keeps its own.
  const std::optional<PictureSize> resize = std::exchange(options.model.stated.resize, std::nullopt);
  say_shared_cores(options.model.notices, options.model.threads);
  const OpenFile source = open_model_file(options.model);
  check_not_input(options.out, source.file, "--model");
  say_what_is_unsure(options.model.notices, source);
  check_output_file(options.out, options.force);
  Preprocessing how = source.description.preprocessing;
  how.resize = resize.value_or(how.resize);
  const auto pictures =
      sample_pictures(list_pictures(options.images, options.model.notices), options.count, options.seed);
  const std::vector<float> images = load(pictures, how, options);
  say_faults_of(images, pictures, how, options.model.notices);

  const auto start = std::chrono::steady_clock::now();
  QuantizedModel quantized = quantize(source, images, options);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

  say_faults_of(quantized.sites, options.model.notices);

  const Record calibration = describe_calibration(options, source, sha256_of_pictures(pictures));
  add_metadata(quantized.artifact, calibration, quantized.sites);
  quantized.artifact.write(options.out);

  Record record = make_record(options, source, calibration, pictures, seconds);
  if (options.json) {
    record["sites"] = to_record(quantized.sites);
    print(to_json(record));
  } else {
    print(site_table(quantized.sites) + '\n' + summary(record));
  }
  return 0;
}

}  // namespace vitq
