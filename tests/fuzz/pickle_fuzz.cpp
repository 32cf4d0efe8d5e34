// A pickle, alone and as that of a PyTorch checkpoint, in a zip whose checksums are right.

#include "tests/fuzz/fuzz.h"
#include "tests/torch_file.h"
#include "weights/pickle.h"
#include "weights/torch_checkpoint.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vitq;
  const fuzz::Bytes pickle(data, size);
  const bool is_pickle = fuzz::succeeds([&] { (void)Pickle(pickle, "pickle").root(); });
  if (!is_pickle) return 0;  // nothing more can come of it
  const std::string storage(24, 'x');
  const fuzz::MemoryFile file(fuzz::bytes_of(test::torch_file(std::string(fuzz::text_of(pickle)), {storage, storage})));
  for (const char* key : {"", "model_ema"}) {
    fuzz::succeeds([&] {
      const Checkpoint checkpoint = read_torch_checkpoint(file.path(), {.key = key, .progress = {}});
      for (const std::string& name : checkpoint.names()) {
        fuzz::succeeds([&] { (void)checkpoint.f32(name); });
      }
    });
  }
  return 0;
}
