#include "cli/reference_model.h"

#include "cli/model_files.h"
#include "cli/sha256.h"
#include "engine/error.h"

namespace vitq {

OpenModel open_reference(const EvalOptions& options, const OpenModel& model, Answer answer) {
  const ModelConfig& config = model.description().config;
  const bool wants_float = options.against == kFloatPrecision;
  ModelArguments how = options.model;
  how.model = options.against;
  how.precision = wants_float ? kFloatPrecision : "";
  if (wants_float && model.precision() == kBf16Precision) {
    how.model = model.file.string();
  } else if (wants_float) {
    check(model.precision() != kFloatPrecision, model.file.string(),
          ": is the float32 model itself, expected an artifact or --precision bf16 (--against fp32); name another "
          "model: --against FILE");
    const auto source = model.metadata().find("source");
    how.model =
        find_float_model(model.file, source != model.metadata().end() ? source->second : "", model.description().name)
            .string();
  }
  OpenModel reference = open_model(how);
  const ModelConfig& other = reference.description().config;
  const std::size_t size = size_of(answer, model.contestant.session.model());
  const std::size_t other_size = size_of(answer, reference.contestant.session.model());
  check(other_size == size, reference.file.string(), ": has ", other_size,
        answer == Answer::kLogits ? " classes, " : " values in an embedding, ", model.file.string(), " has ", size,
        "; they cannot be compared");
  check(!wants_float ||
            (other.body == config.body && other.image_size == config.image_size && other.patch == config.patch),
        reference.file.string(), ": is not the model that ", model.file.string(),
        " was made from, its shapes differ; name that: --against FILE");
  const auto made_from = model.metadata().find("source_sha256");
  if (made_from != model.metadata().end() && reference.precision() == kFloatPrecision &&
      made_from->second != sha256_of_file(reference.file)) {
    options.model.notices.say(reference.file.string() + ": is not the file that " + model.file.string() +
                              " was made from, its contents differ");
  }
  return reference;
}

}  // namespace vitq
