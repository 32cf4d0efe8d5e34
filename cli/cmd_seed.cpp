#include <cstdint>

#include "cli/args.h"
#include "cli/commands.h"
#include "cli/model_options.h"
#include "cli/output.h"
#include "cli/output_file.h"
#include "models/describe.h"

namespace vitq {

int seed_command(const Arguments& args) {
  std::string model;
  std::string out;
  std::uint64_t seed = 0;
  bool force = false;
  ArgumentParser parser(
      "seed", "--model NAME --out FILE [--seed 0] [--force]",
      "Writes a checkpoint with seeded weights: the same everywhere, full size, untrained. It is for timing\n"
      "and tests; what it says of a picture means nothing.");
  parser.option("--model", "NAME", "a name of `vitq models`", text(model));
  parser.option("--out", "FILE", "the safetensors file to write", text(out));
  parser.option("--seed", "N", "another seed, other weights; default 0", whole_number<std::uint64_t>(seed, 0));
  parser.flag("--force", force, "replace FILE if it exists");
  if (!parser.parse(args)) return 0;
  if (model.empty()) parser.fail("--model is missing, expected a name of `vitq models`");
  if (out.empty()) parser.fail("--out is missing, expected the file to write");
  model = checked_zoo_name(model);
  check_output_file(out, force);

  auto metadata = zoo_metadata(model);
  metadata["seed"] = std::to_string(seed);
  save_checkpoint(out, seeded_checkpoint(model, seed), metadata);
  print(out + ": " + model + " with seeded weights, untrained\n");
  return 0;
}

}  // namespace vitq
