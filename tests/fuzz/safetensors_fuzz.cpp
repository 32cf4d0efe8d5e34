// A safetensors file, float or quantized: opened, read, described, and, where it is a small model after all, run.

#include <cstring>
#include <vector>

#include "tests/fuzz/fuzz.h"
#include "tests/sessions.h"
#include "weights/checkpoint.h"

namespace vitq::fuzz {
namespace {

/// The file itself; or, where the input begins as a header does, the header up to its end or the first zero byte,
/// followed by the data. The second form lets the fuzzer change the header's length.
std::vector<std::uint8_t> file_of(Bytes input) {
  if (input.empty() || input[0] != '{') return {input.begin(), input.end()};
  const std::size_t header = std::min(input.size(), text_of(input).find('\0'));
  const std::uint64_t length = header;
  std::vector<std::uint8_t> file(sizeof(length));
  std::memcpy(file.data(), &length, sizeof(length));
  file.insert(file.end(), input.begin(), input.end());
  if (header < input.size()) file.erase(file.begin() + static_cast<std::ptrdiff_t>(sizeof(length) + header));
  return file;
}

/// One forward pass of a grey picture, unless it takes too long for a fuzzer.
void run(const Checkpoint& checkpoint, const ModelDescription& description) {
  constexpr std::int64_t kMostWork = 20'000'000;
  constexpr std::int64_t kMostPixels = 256 * 256;
  const ModelConfig& config = description.config;
  if (config.image_size * config.image_size > kMostPixels || multiply_accumulates(config) > kMostWork) return;
  Session session = test::make_session(checkpoint, description, {.threads = 1});
  std::vector<float> logits(static_cast<std::size_t>(config.classes));
  const std::vector<float> picture(static_cast<std::size_t>(test::picture_size(session)), 0.5F);
  session.run(picture, 1, {.logits = logits});
}

}  // namespace
}  // namespace vitq::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vitq;
  const fuzz::MemoryFile file(fuzz::file_of({data, size}));
  fuzz::succeeds([&] {
    const Checkpoint checkpoint = Checkpoint::open(file.path());
    for (const std::string& name : checkpoint.names()) {
      fuzz::succeeds([&] { (void)checkpoint.f32(name); });
    }
    const ModelDescription description = describe(checkpoint);
    (void)metadata_of(description);
    fuzz::run(checkpoint, description);
  });
  return 0;
}
