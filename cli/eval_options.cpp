#include "cli/eval_options.h"

#include "cli/args.h"
#include "cli/classes.h"

namespace vitq {
namespace {

constexpr int kMostBatch = 4096;
constexpr int kMostNeighbours = 1000;

}  // namespace

bool parse(const Arguments& args, EvalOptions& options) {
  ArgumentParser parser(
      "eval", "--model NAME|FILE --images DIR [--labels CSV] [--knn [K]] [--format md|csv|json] [OPTIONS]",
      "Measures accuracy on labelled pictures: a directory and a list of labels, or a directory with one\n"
      "directory per class (and more in it), called as the class is, by ImageNet wnid, or by the number of\n"
      "the class. Only where none is, and there are as many as classes, they are taken in order.");
  parser.option("--images", "DIR", "where the pictures are", text(options.images));
  parser.option("--labels", "CSV", "header file,label, then NAME,CLASS-INDEX per line, without quotes",
                text(options.labels));
  declare(parser, options.model);
  declare_precision(parser, options.model);
  declare(parser, options.picture);
  declare_zero_shot(parser, options.zero_shot);
  parser.option_with_default(
      "--knn", "K", "1",
      "instead of classes: how often the K nearest other pictures (cosine of embeddings; default 1) are of\n"
      "a picture's class, leaving each out in turn. A class is a directory or a label, whatever it is\n"
      "called. Of several the most frequent class counts, of equally frequent ones that of the nearest.\n"
      "Keys: knn (K), n, with_sibling (pictures of a class that another one has), correct, accuracy (of those)",
      whole_number(options.neighbours, 1, kMostNeighbours));
  parser.flag("--embeddings", options.embeddings,
              "with --against: compare the embeddings, as is always done without a head and with --knn.\n"
              "Adds cosine_mean, cosine_least, cosine_p1 (1st percentile) and least_picture; with --knn also\n"
              "correct_reference, accuracy_reference. Needs no labels");
  parser.option("--limit", "N", "only the first N pictures (of directories: taken from all classes in turn)",
                whole_number<std::size_t>(options.limit, 1));
  parser.option("--batch", "N", "pictures to compute at once; default 8", whole_number(options.batch, 1, kMostBatch));
  declare_streams(parser, options.streams);
  parser.option("--format", "md|csv|json",
                "of the result; default md. The last keys say what was counted: pictures (listed), unreadable,\n"
                "repeated (the same file as an earlier one), classes (that have pictures), matched (by name, wnid,\n"
                "number, order or labels file), left_out",
                choice(options.format, {"md", "csv", "json"}));
  parser.option(
      "--against", "fp32|FILE",
      "run the same pictures through this model too and compare; fp32: the model that an\n"
      "artifact was made from, or that runs in bf16. Adds agreement, sqnr_db (of the logits; null: no difference),\n"
      "kl (mean, in nats), max_difference, top1_reference; only_reference and only_this (pictures\n"
      "that one of the two alone gets right), mcnemar_p (exact, two-sided, of those counts)",
      text(options.against));
  parser.option("--reference", "FILE", "compare with these logits, safetensors `logits` F32 [pictures, classes]",
                text(options.reference));
  parser.option("--logits", "FILE", "write the logits as such a file", text(options.logits));
  parser.flag("--force", options.force, "let --logits replace a file");
  if (!parser.parse(args)) return false;
  if (options.images.empty()) parser.fail("--images is missing, expected a directory");
  if (!options.against.empty() && !options.reference.empty()) {
    parser.fail("--against and --reference exclude each other; give one");
  }
  const bool asks_for_embeddings = options.neighbours > 0 || options.embeddings;
  if (asks_for_embeddings && !options.zero_shot.empty()) {
    parser.fail("--zero-shot is of classes, for which --knn and --embeddings have no use; give one of them");
  }
  if (options.embeddings && options.neighbours == 0 && options.against.empty()) {
    parser.fail("--embeddings needs --against, the model to compare with");
  }
  return true;
}

}  // namespace vitq
