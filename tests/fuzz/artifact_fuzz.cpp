// A quantized model whose tensors and metadata are changed one by one: the input is a list of edits, so that every
// input is a well-formed file and what is tried is what the artifact's own rules catch. What is read can be written.

#include <fuzzer/FuzzedDataProvider.h>

#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>
#include <vector>

#include "tests/fuzz/fuzz.h"
#include "tests/small_artifact.h"

namespace vitq::fuzz {
namespace {

struct Part {
  std::string name;
  FileDType dtype;
  Shape shape;
  std::vector<std::uint8_t> bytes;
};

std::vector<Part> parts_of(const Checkpoint& checkpoint) {
  std::vector<Part> parts;
  for (const std::string& name : checkpoint.names()) {
    const FileTensor& tensor = *checkpoint.raw(name);
    parts.push_back({name, tensor.dtype, tensor.shape, {tensor.bytes.begin(), tensor.bytes.end()}});
  }
  return parts;
}

void set_float(Part& part, std::size_t at, float value) {
  const std::size_t count = part.bytes.size() / sizeof(float);
  if (count > 0) std::memcpy(part.bytes.data() + at % count * sizeof(float), &value, sizeof(value));
}

/// Gives the part another shape or type; its bytes are cut or repeated to fit.
void reshape(Part& part, FuzzedDataProvider& input) {
  constexpr std::size_t kMostRank = 4;
  constexpr std::int64_t kMostExtent = 40;
  constexpr std::size_t kMostBytes = 1 << 16;
  if (input.ConsumeBool()) part.dtype = static_cast<FileDType>(input.ConsumeIntegralInRange(0, 19));
  if (input.ConsumeBool()) {
    part.shape.resize(input.ConsumeIntegralInRange<std::size_t>(0, kMostRank));
    for (std::int64_t& extent : part.shape) extent = input.ConsumeIntegralInRange<std::int64_t>(0, kMostExtent);
  }
  std::size_t wanted = part.bytes.size();
  succeeds([&] { wanted = std::min(kMostBytes, static_cast<std::size_t>(byte_count(part.dtype, part.shape))); });
  const std::vector<std::uint8_t> old = part.bytes.empty() ? std::vector<std::uint8_t>{1} : part.bytes;
  part.bytes.resize(wanted);
  for (std::size_t i = 0; i < wanted; ++i) part.bytes[i] = old[i % old.size()];
}

void edit(std::vector<Part>& parts, std::map<std::string, std::string>& metadata, FuzzedDataProvider& input) {
  enum class Edit : std::uint8_t {
    kByte,
    kFloat,
    kOddFloat,
    kReshape,
    kRemove,
    kRename,
    kMetadata,
    kMaxValue = kMetadata
  };
  constexpr std::array kOddFloats{0.0F,
                                  -1.0F,
                                  1.0F,
                                  3.0F,
                                  8.0F,
                                  9.0F,
                                  1e-45F,
                                  4194304.0F,
                                  1e30F,
                                  std::numeric_limits<float>::infinity(),
                                  std::numeric_limits<float>::quiet_NaN()};
  const auto kind = input.ConsumeEnum<Edit>();
  if (kind == Edit::kMetadata) {
    metadata[input.ConsumeRandomLengthString(12)] = input.ConsumeRandomLengthString(40);
    return;
  }
  if (parts.empty()) return;
  const auto index = input.ConsumeIntegralInRange<std::size_t>(0, parts.size() - 1);
  Part& part = parts[index];
  const auto at = input.ConsumeIntegral<std::uint16_t>();
  if (kind == Edit::kByte && !part.bytes.empty())
    part.bytes[at % part.bytes.size()] = input.ConsumeIntegral<std::uint8_t>();
  if (kind == Edit::kFloat) set_float(part, at, input.ConsumeFloatingPoint<float>());
  if (kind == Edit::kOddFloat) set_float(part, at, input.PickValueInArray(kOddFloats));
  if (kind == Edit::kReshape) reshape(part, input);
  if (kind == Edit::kRemove) parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(index));
  if (kind == Edit::kRename) {
    part.name = input.ConsumeBool() ? parts[at % parts.size()].name : input.ConsumeRandomLengthString(40);
  }
}

/// Whatever can be read of it layer by layer, written again.
void read_and_rebuild(const Checkpoint& checkpoint) {
  ArtifactBuilder builder;
  for (const char* layer :
       {"patch_embed.proj", "blocks.0.attn.qkv", "blocks.0.attn.proj", "layers.1.downsample.reduction", "head.fc"}) {
    std::optional<QuantizedLinear> linear;
    succeeds([&] {
      (void)quantized_shape(checkpoint, layer);
      linear = read_quantized_linear(checkpoint, layer);
    });
    if (linear) builder.add_linear(layer, *linear);
  }
  std::optional<QuantizedAttention> attention;
  succeeds([&] { attention = read_quantized_attention(checkpoint, "blocks.0.attn"); });
  if (attention) builder.add_attention("blocks.0.attn", *attention);
  (void)has_folded_norm(checkpoint, "blocks.0.norm1");
}

}  // namespace
}  // namespace vitq::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace vitq;
  static const ArtifactBuilder kGood = test::small_artifact();
  constexpr int kMostEdits = 16;
  const Checkpoint victim = kGood.checkpoint();
  std::vector<fuzz::Part> parts = fuzz::parts_of(victim);
  std::map<std::string, std::string> metadata = victim.metadata();
  FuzzedDataProvider input(data, size);
  for (int i = 0; i < kMostEdits && input.remaining_bytes() > 0; ++i) fuzz::edit(parts, metadata, input);
  fuzz::succeeds([&] {
    std::vector<std::shared_ptr<const MemoryTensor>> tensors;
    for (fuzz::Part& part : parts) {
      tensors.push_back(std::make_shared<MemoryTensor>(part.name, part.dtype, part.shape, std::move(part.bytes)));
    }
    const Checkpoint checkpoint = Checkpoint::in_memory(tensors, metadata, "artifact");
    fuzz::succeeds([&] { require_artifact(checkpoint, test::small_tensors(), "a hint"); });
    fuzz::read_and_rebuild(checkpoint);
  });
  return 0;
}
