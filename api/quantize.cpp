#include "vitq/quantize.h"

#include <vector>

#include "api/translate.h"
#include "engine/error.h"
#include "engine/picture/resize.h"
#include "models/describe.h"
#include "models/zoo.h"
#include "quant/calibrate.h"
#include "weights/artifact.h"
#include "weights/atomic_file.h"

namespace vitq {

namespace {

std::vector<float> prepared(std::span<const ImageView> pictures, const Preprocessing& how) {
  const auto size = static_cast<std::size_t>(3 * how.image_size.pixels());
  std::vector<float> images(pictures.size() * size);
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    preprocess(pictures[i], how, std::span(images).subspan(i * size, size));
  }
  return images;
}

}  // namespace

void quantize(const std::string& model, std::span<const ImageView> pictures, const std::filesystem::path& out,
              const QuantizeSettings& settings) {
  translated_memory([&] {
    check(!pictures.empty(), "quantize: no pictures, expected at least one");
    check(settings.threads >= 0, "quantize: ", settings.threads, " threads, expected a positive number, or 0 for all");
    check_writable(out);
    const Checkpoint checkpoint = Checkpoint::open(locate_model(model));
    check(!is_artifact(checkpoint), checkpoint.source(), ": is an artifact already, expected a float32 model");
    const ModelDescription description = describe(checkpoint, zoo_name(model));
    QuantizeOptions options;
    options.weight_bits = settings.weight_bits;
    options.activation_bits = settings.activation_bits;
    options.edge_bits = settings.edge_bits;
    options.threads = settings.threads;
    options.progress = [&](int done, int total, const std::string& site) {
      check(!settings.progress || settings.progress(done, total, site), ErrorCode::kCancelled,
            "quantize: stopped by the caller after ", done, " of ", total, " sites");
    };
    const auto images = prepared(pictures, description.preprocessing);
    quantize_model(checkpoint, description, images, std::ssize(pictures), options).artifact.write(out);
  });
}

}  // namespace vitq
