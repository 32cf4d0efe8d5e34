#include <chrono>
#include <cmath>

#include "cli/args.h"
#include "cli/commands.h"
#include "cli/conditions.h"
#include "cli/dynamic_inference.h"
#include "cli/embedding_file.h"
#include "cli/inference.h"
#include "cli/model_options.h"
#include "cli/notices.h"
#include "cli/output.h"
#include "cli/output_file.h"
#include "cli/picture_options.h"
#include "cli/pictures.h"
#include "cli/progress.h"
#include "cli/record.h"
#include "cli/sha256.h"
#include "engine/error.h"
#include "engine/gemm/onednn.h"
#include "models/words.h"
#include "vitq/version.h"

namespace vitq {
namespace {

namespace fs = std::filesystem;

constexpr int kMostBatch = 4096;
constexpr int kDefaultBatch = 8;
constexpr const char* kPooled = "pooled";
constexpr const char* kFloat16 = "float16";

struct EmbedOptions {
  ModelArguments model;
  PictureArguments picture;
  std::vector<std::string> images;
  std::string out;
  std::string tokens = kPooled;
  std::string dtype = "float32";
  int batch = kDefaultBatch;
  int streams = 0;
  bool normalize = false;
  bool dynamic = false;
  bool resume = false;
  bool force = false;
  bool json = false;
};

bool parse(const Arguments& args, EmbedOptions& options) {
  std::vector<std::string> operands;
  ArgumentParser parser(
      "embed", "--images FILE|DIR ... --out EMB.npy [--model NAME|FILE] [--tokens pooled] [--resume] [OPTIONS]",
      "Writes embeddings of pictures: EMB.npy, a row for each picture in their order, and EMB.csv beside it\n"
      "(row, file, error). An unreadable picture is a row of NaN. What is interrupted stays in EMB.npy.part and\n"
      "EMB.csv.part; --resume goes on from there, and the files become the same as without the interruption.");
  parser.list("--images", "FILE|DIR ...", "the pictures; the word --images may be left out", options.images);
  parser.option("--out", "EMB.npy", "the file to write, NumPy's format 1.0", text(options.out));
  parser.option("--tokens", "cls|patch|all|pooled",
                "pooled: what the model's head takes [n, dim], the default; cls: the class token [n, dim]; patch:\n"
                "the tokens of the patches, row by row; all: these and what stands before them (class token,\n"
                "distillation token, registers) [n, tokens, dim]; tokens are those behind the last norm",
                choice(options.tokens, {"cls", "patch", "all", kPooled}));
  parser.flag(
      "--dynamic", options.dynamic,
      "no crop: the short side of each picture becomes that of the model (--image-size), or with --resize none\n"
      "stays; rows and columns behind the last whole patch are left out; positions are resampled for each size.\n"
      "For --tokens pooled and cls");
  parser.option("--dtype", "float32|float16", "of the elements; default float32",
                choice(options.dtype, {"float32", kFloat16}));
  parser.flag("--normalize", options.normalize, "divide each embedding or token by its length; one of length 0 stays");
  parser.flag("--resume", options.resume, "go on with an interrupted run of the same options");
  parser.flag("--force", options.force, "replace EMB.npy and EMB.csv");
  declare(parser, options.model);
  declare_precision(parser, options.model);
  declare(parser, options.picture);
  parser.option("--batch", "N", "pictures to compute at once; default 8", whole_number(options.batch, 1, kMostBatch));
  declare_streams(parser, options.streams);
  parser.flag("--json", options.json,
              "print an object: out, list, model, precision, pictures, unreadable, resumed (rows that were there),\n"
              "shape, dtype, tokens, normalized, dynamic, images_per_s, streams, threads, batch, version, onednn,\n"
              "isa, kernels, cpu, file, sha256, preprocessing, peak_rss_mb");
  parser.operands(operands, operands.max_size());
  if (!parser.parse(args)) return false;
  options.images.insert(options.images.end(), operands.begin(), operands.end());
  if (options.images.empty()) parser.fail("--images is missing, expected pictures or directories of pictures");
  if (options.out.empty()) parser.fail("--out is missing, expected the file to write, EMB.npy");
  const bool is_list = options.tokens == "patch" || options.tokens == "all";
  if (options.dynamic && is_list) {
    parser.fail("--dynamic: each picture has a number of tokens of its own; expected --tokens pooled or cls, found " +
                options.tokens);
  }
  if (options.dynamic && options.batch != kDefaultBatch && options.batch != 1) {
    parser.fail("--dynamic computes one picture at a time; expected --batch 1, found " + std::to_string(options.batch));
  }
  if (options.dynamic && options.streams > 1) {
    parser.fail("--dynamic computes one picture after the other; expected --streams 1, found " +
                std::to_string(options.streams));
  }
  if (options.dynamic) options.batch = options.streams = 1;
  if (options.dynamic && options.model.stated.resize && *options.model.stated.resize != 0) {
    parser.fail("--dynamic and --resize " + to_string(*options.model.stated.resize) +
                " exclude each other; expected --image-size, or --resize none");
  }
  if (fs::path(options.out).extension() != ".npy") {
    parser.fail("--out: expected a name that ends in .npy, found " + one_line(options.out));
  }
  return true;
}

/// Which floats of a picture's answer are its row: `count` vectors of `dim`, from vector `first` on.
struct Selection {
  Answer answer = Answer::kEmbedding;
  std::int64_t first = 0;
  std::int64_t count = 1;
  std::int64_t dim = 0;
  bool is_list = false;  ///< of tokens, an axis of its own

  [[nodiscard]] std::span<const float> of(std::span<const float> values) const {
    return values.subspan(first * dim, count * dim);
  }
};

Selection select(const EmbedOptions& options, const OpenModel& opened) {
  const Model& model = opened.contestant.session.model();
  Selection selection{.dim = model.embedding_size()};
  if (options.tokens == kPooled) return selection;
  selection.answer = Answer::kTokens;
  selection.dim = model.token_size();
  if (options.tokens == "cls") {
    check(model.has_class_token(), ErrorCode::kUnsupported, opened.file.string(),
          ": has no class token (--tokens cls); expected --tokens pooled, patch or all");
    return selection;
  }
  selection.first = options.tokens == "patch" ? model.prefix_tokens() : 0;
  selection.count = model.tokens() - selection.first;
  selection.is_list = true;
  return selection;
}

/// Each `dim` of them by their length, which may be 0.
void normalize(std::span<float> values, std::int64_t dim) {
  for (; !values.empty(); values = values.subspan(dim)) {
    double squares = 0;
    for (const float value : values.first(dim)) squares += double{value} * value;
    if (squares == 0) continue;
    const double length = std::sqrt(squares);
    for (float& value : values.first(dim)) value = static_cast<float>(value / length);
  }
}

std::string sha256_of_names(std::span<const fs::path> pictures) {
  std::string names;
  for (const fs::path& picture : pictures) (names += picture.native()) += '\0';
  return sha256({reinterpret_cast<const std::uint8_t*>(names.data()), names.size()});
}

/// Everything that decides about the bytes of the files.
Record origin_of(const EmbedOptions& options, const OpenModel& model, const std::string& model_sha256,
                 std::span<const fs::path> pictures) {
  Record origin{{"model's SHA-256", model_sha256},
                {"number of pictures", pictures.size()},
                {"SHA-256 of the pictures' names", sha256_of_names(pictures)},
                {"precision", model.precision()},
                {"preprocessing", to_string(model.contestant.preprocessing) + exif_text(options.picture)}};
  for (const Fact& fact : model.description().facts) origin["model's " + fact.what] = fact.value;
  origin["--tokens"] = options.tokens;
  origin["--dtype"] = options.dtype;
  origin["--normalize"] = options.normalize;
  origin["--dynamic"] = options.dynamic;
  origin["--batch"] = options.batch;  // without AVX-512 a row of floats depends on those beside it
  origin["instruction set"] = effective_isa();
  origin["vitq's version"] = version();
  return origin;
}

EmbeddingLayout layout_of(const EmbedOptions& options, const Selection& selection, std::size_t pictures) {
  EmbeddingLayout layout{.shape = {static_cast<std::int64_t>(pictures)},
                         .type = options.dtype == kFloat16 ? NpyType::kFloat16 : NpyType::kFloat32,
                         .batch = static_cast<std::size_t>(options.batch)};
  if (selection.is_list) layout.shape.push_back(selection.count);
  layout.shape.push_back(selection.dim);
  return layout;
}

struct Speed {
  double images_per_s = 0;
  int streams = 1;
};

/// Adds the rows of `pictures` that `file` does not have.
Speed embed(const EmbedOptions& options, Contestant& contestant, const Selection& selection,
            std::span<const fs::path> pictures, EmbeddingFile& file) {
  const std::span<const fs::path> rest = pictures.subspan(file.rows());
  Progress progress("embed", pictures.size());
  progress.skip(file.rows());
  ReductionNotice reduction(options.model.notices);
  std::vector<float> row;
  const auto start = std::chrono::steady_clock::now();
  const InferenceOptions how{.decoding = decode_options(options.picture, {&contestant.preprocessing}),
                             .batch = options.batch,
                             .answer = selection.answer,
                             .readers = contestant.session.threads(),
                             .streams = options.streams};
  const InferenceEvents events{
      .on_result =
          [&](std::size_t index, const PictureTimes&, std::span<const float> answer, std::span<const float>) {
            const std::span<const float> values = selection.of(answer);
            row.assign(values.begin(), values.end());
            if (options.normalize) normalize(row, selection.dim);
            file.add(rest[index], row);
          },
      .on_failure =
          [&](std::size_t index, const std::string& message) {
            progress.clear();
            log_error(message);
            file.add_unreadable(rest[index], message);
          },
      .on_reduced =
          [&](std::size_t index, int sides) {
            progress.clear();
            reduction.say(rest[index], sides);
          },
      .on_batch =
          [&](std::size_t count) {
            file.end_batch();
            progress.advance(count);
          }};
  Speed speed;
  if (options.dynamic) {
    infer_dynamic(contestant, rest, how, events);
  } else {
    speed.streams = infer(contestant, nullptr, rest, how, events);
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  if (!rest.empty()) speed.images_per_s = static_cast<double>(rest.size()) / seconds.count();
  return speed;
}

std::string shape_text(std::span<const std::int64_t> shape) {
  std::string text;
  for (const std::int64_t extent : shape) text += (text.empty() ? "" : " x ") + std::to_string(extent);
  return text;
}

/// What is told at the end.
struct Summary {
  const EmbedOptions& options;
  const OpenModel& model;
  const EmbeddingLayout& layout;
  const std::string& model_sha256;
  std::size_t unreadable = 0;
  std::size_t resumed = 0;
  Speed speed = {};

  [[nodiscard]] std::string text() const {
    std::string text = one_line(options.out) + ": " + shape_text(layout.shape) + ' ' + options.dtype + ", " +
                       options.tokens + (options.normalize ? ", normalized" : "") +
                       (options.dynamic ? ", each picture at a size of its own" : "") + '\n';
    if (unreadable > 0) text += std::to_string(unreadable) + " unreadable, rows of NaN\n";
    if (resumed > 0) text += std::to_string(resumed) + " rows were there already\n";
    return text + conditions_of(model) + '\n';
  }

  [[nodiscard]] Record record() const {
    Record record{{"out", options.out},
                  {"list", EmbeddingFile::csv_of(options.out).string()},
                  {"model", model.description().name},
                  {"precision", model.precision()},
                  {"pictures", layout.shape.front()},
                  {"unreadable", unreadable},
                  {"resumed", resumed},
                  {"shape", layout.shape},
                  {"dtype", options.dtype},
                  {"tokens", options.tokens},
                  {"normalized", options.normalize},
                  {"dynamic", options.dynamic},
                  {"images_per_s", rounded(speed.images_per_s, 2)},
                  {"streams", speed.streams}};
    add_conditions(record, model, options.batch, options.picture, model_sha256);
    return record;
  }
};

}  // namespace

int embed_command(const Arguments& args) {
  EmbedOptions options;
  if (!parse(args, options)) return 0;
  const fs::path csv = EmbeddingFile::csv_of(options.out);
  check_output_file(options.out, options.force);
  check_output_file(csv, options.force);
  const std::vector<fs::path> pictures = list_pictures(options.images, options.model.notices);
  say_shared_cores(options.model.notices, options.model.threads);
  OpenModel model = open_model(options.model);
  const Selection selection = select(options, model);
  const EmbeddingLayout layout = layout_of(options, selection, pictures.size());
  const std::string model_sha256 = sha256_of_file(model.file);
  EmbeddingFile file(options.out, layout, origin_of(options, model, model_sha256, pictures), options.resume);
  const std::size_t resumed = file.rows();
  const Speed speed = embed(options, model.contestant, selection, pictures, file);
  file.commit();
  const Summary summary{options, model, layout, model_sha256, file.unreadable(), resumed, speed};
  print(options.json ? to_json(summary.record()) : summary.text());
  return file.unreadable() == 0 ? 0 : 1;
}

}  // namespace vitq
