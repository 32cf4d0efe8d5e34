// A whole PyTorch checkpoint: the zip, its directory, its entries.

#include "tests/fuzz/fuzz.h"
#include "weights/torch_checkpoint.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vitq;
  const fuzz::MemoryFile file({data, size});
  fuzz::succeeds([&] {
    (void)looks_like_torch(file.path());
    const Checkpoint checkpoint = read_torch_checkpoint(file.path());
    for (const std::string& name : checkpoint.names()) {
      fuzz::succeeds([&] { (void)checkpoint.f32(name); });
    }
  });
  return 0;
}
