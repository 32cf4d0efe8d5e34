// A whole use of the installed library: a model, a session, a picture, the best classes, and one refused file. Every
// public header is included.
#include <vitq/error.h>
#include <vitq/image.h>
#include <vitq/model.h>
#include <vitq/preprocessing.h>
#include <vitq/quantize.h>
#include <vitq/session.h>
#include <vitq/version.h>
#include <vitq/vitq.h>

#include <cstdio>
#include <string>

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const auto model = vitq::Model::open(argv[1]);
  vitq::Session session(model);
  const auto best = session.classify(vitq::load_image(argv[2]), 3);
  for (const vitq::Prediction& p : best) std::printf("%6.4f  %4d  %s\n", p.probability, p.index, p.name.c_str());
  if (best.size() != 3 || best[0].name != "airplane" || std::string(vitq::version()) != vitq_version()) return 1;
  const vitq::ImageView view;
  try {
    vitq::quantize(argv[1], {&view, 1}, "never.safetensors");
    return 1;
  } catch (const vitq::Error& error) {
    if (error.code() != vitq::ErrorCode::kArgument) return 1;
  }
  try {
    (void)vitq::Model::open("no/such/file.safetensors");
  } catch (const vitq::Error& error) {
    std::printf("refused, as it should be (%s): %s\n", vitq::name_of(error.code()), error.what());
    return 0;
  }
  return 1;
}
