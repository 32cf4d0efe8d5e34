// A whole use of the installed library: seeded weights, a grey picture, the best classes; and one refused file. Reaches
// into every library of the install, so that a missing header, library or link dependency fails this build.
#include <cstdint>
#include <cstdio>
#include <vector>

#include "engine/error.h"
#include "models/classifier.h"
#include "models/imagenet_classes.h"

int main() {
  const vitq::Checkpoint checkpoint = vitq::seeded_checkpoint("deit_t");
  vitq::Classifier classifier(checkpoint, vitq::describe(checkpoint));
  const vitq::Image grey{
      .width = 320, .height = 240, .rgb = std::vector<std::uint8_t>(std::size_t{320} * 240 * 3, 128)};
  const std::vector<vitq::Prediction> best = classifier.classify(grey, 3);
  for (const vitq::Prediction& p : best) std::printf("%6.4f  %4d  %s\n", p.probability, p.index, p.name.c_str());
  if (best.size() != 3 || best[0].name != vitq::imagenet_class_names()[static_cast<std::size_t>(best[0].index)])
    return 1;

  try {
    vitq::Classifier::open("no/such/file.safetensors");
  } catch (const vitq::Error& error) {
    std::printf("refused, as it should be: %s\n", error.what());
    return 0;
  }
  return 1;
}
