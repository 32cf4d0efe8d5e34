// A list of labels. The folder of its pictures is /dev, where a few names are sure to exist; they are only looked for.

#include <cstdlib>

#include "cli/labels.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vitq;
  constexpr std::int64_t kClasses = 10;
  const fuzz::MemoryFile file({data, size});
  fuzz::succeeds([&] {
    const Notices silent{.quiet = true};
    for (const LabelledPicture& picture : read_labels(file.path(), "/dev", kClasses, silent).pictures) {
      if (picture.label < 0 || picture.label >= kClasses) std::abort();
    }
  });
  return 0;
}
