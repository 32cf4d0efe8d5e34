// What stands beside weights on a hub: the configurations of transformers, timm and open_clip, the index of a
// checkpoint's parts, and the hub's list of a repository's files. The first byte says which it is. The parts would lie
// in /proc/self/fd, where none does.

#include "cli/hub_listing.h"
#include "models/hub_config.h"
#include "tests/fuzz/fuzz.h"
#include "weights/shards.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vitq;
  if (size == 0) return 0;
  const std::string_view text = fuzz::text_of({data + 1, size - 1});
  fuzz::succeeds([&] {
    ModelConfig shapes;
    shapes.body = VitConfig{.blocks = {.depth = 12, .dim = 768, .heads = 12, .hidden = 3072}};
    constexpr int kKinds = 7;
    switch (data[0] % kKinds) {
      case 0:
        return (void)stated_by_transformers(JsonConfig::parse(text, "config.json"), shapes);
      case 1:
        return (void)stated_by_preprocessor(JsonConfig::parse(text, "config.json"));
      case 2:
        return (void)stated_by_timm(JsonConfig::parse(text, "config.json"));
      case 3:
        return (void)stated_by_open_clip(JsonConfig::parse(text, "config.json"), shapes);
      case 5:
        return (void)parse_listing(std::string(text));
      case 6:
        return (void)parts_of_index(std::string(text));
      default:
        return (void)open_shards(fuzz::MemoryFile({data + 1, size - 1}).path());
    }
  });
  return 0;
}
