// The classes of --zero-shot: a safetensors file with text features, names and factors, read and used.

#include <cmath>
#include <cstdlib>
#include <vector>

#include "cli/text_features.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vitq;
  const fuzz::MemoryFile file({data, size});
  fuzz::succeeds([&] {
    const TextFeatures features(file.path(), {.quiet = true});
    std::vector<float> logits(static_cast<std::size_t>(features.classes()));
    features.classify(std::vector<float>(static_cast<std::size_t>(features.dim()), 1.0F), logits);
    for (const float logit : logits) {
      if (!std::isfinite(logit)) std::abort();
    }
    for (const Prediction& prediction : features.top(logits, 3)) {
      if (!(prediction.probability >= 0 && prediction.probability <= 1)) std::abort();
    }
  });
  return 0;
}
