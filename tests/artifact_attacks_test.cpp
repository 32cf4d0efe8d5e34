// No damaged, newer or foreign quantized model passes: each attack changes one thing of a valid one, and has a test of
// its name.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>

#include "engine/error.h"
#include "tests/small_artifact.h"
#include "tests/temporary_folder.h"
#include "weights/artifact.h"

namespace vitq {
namespace {

using test::small_artifact;
using test::small_tensors;
using test::TemporaryFolder;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// A valid artifact, to be changed.
class Victim {
 public:
  Victim() {
    const Checkpoint checkpoint = small_artifact().checkpoint();
    metadata = checkpoint.metadata();
    for (const std::string& name : checkpoint.names()) {
      const FileTensor& tensor = *checkpoint.raw(name);
      tensors_[name] = {tensor.dtype, tensor.shape, {tensor.bytes.begin(), tensor.bytes.end()}};
    }
  }

  Victim& set(const std::string& name, std::size_t index, float value) {
    std::memcpy(tensors_.at(name).bytes.data() + index * sizeof(float), &value, sizeof(float));
    return *this;
  }
  Victim& set_byte(const std::string& name, std::size_t index, int value) {
    tensors_.at(name).bytes.at(index) = static_cast<std::uint8_t>(value);
    return *this;
  }
  Victim& put(const std::string& name, FileDType dtype, const Shape& shape) {
    tensors_[name] = {dtype, shape, std::vector<std::uint8_t>(byte_count(dtype, shape))};
    return *this;
  }
  Victim& erase(const std::string& name) {
    REQUIRE(tensors_.erase(name) == 1);
    return *this;
  }

  Checkpoint checkpoint() const {
    std::vector<std::shared_ptr<const MemoryTensor>> tensors;
    for (const auto& [name, tensor] : tensors_) {
      tensors.push_back(std::make_shared<const MemoryTensor>(name, tensor.dtype, tensor.shape, tensor.bytes));
    }
    return Checkpoint::in_memory(tensors, metadata, "victim");
  }

  /// One line that begins with the source and holds `reason`.
  void must_be_refused(const std::string& reason, const std::string& hint = "") const {
    const Checkpoint broken = checkpoint();
    try {
      require_artifact(broken, small_tensors(), hint);
      FAIL("accepted; expected: ", reason);
    } catch (const Error& error) {
      const std::string message = error.what();
      CAPTURE(message);
      CHECK(message.starts_with("victim: "));
      CHECK(message.find(reason) != std::string::npos);
      CHECK(message.find('\n') == std::string::npos);
    }
  }

  std::map<std::string, std::string> metadata;

 private:
  struct Content {
    FileDType dtype{};
    Shape shape;
    std::vector<std::uint8_t> bytes;
  };
  std::map<std::string, Content> tensors_;
};

const std::string kQkv = "blocks.0.attn.qkv";
const std::string kProj = "blocks.0.attn.proj";
const std::string kReduction = "layers.1.downsample.reduction";

}  // namespace

TEST_CASE("artifact: the victim is accepted as long as nothing is changed") {
  CHECK(Victim().checkpoint().names() == small_artifact().checkpoint().names());
  CHECK_NOTHROW(require_artifact(Victim().checkpoint(), small_tensors(), ""));
}

TEST_CASE("artifact: refused, a newer schema") {
  Victim victim;
  victim.metadata["schema"] = "3";
  victim.metadata["vitq_version"] = "9.1";
  victim.must_be_refused("artifact schema 3, this vitq reads up to 2; made by vitq 9.1: update vitq");
  CHECK_THROWS_AS(check_artifact_schema(victim.checkpoint()), Error);
}

TEST_CASE("artifact: refused, a schema that is no number") {
  for (const std::string text : {"", "one", "1x", "-1", "0", "99999999999999999999", "\x1b[31m"}) {
    Victim victim;
    victim.metadata["schema"] = text;
    victim.must_be_refused("metadata schema is ");
  }
}

TEST_CASE("artifact: a file without vitq's mark is none, whatever its keys are") {
  Victim victim;
  CHECK(is_artifact(victim.checkpoint()));
  victim.metadata["format"] = "pt";
  CHECK_FALSE(is_artifact(victim.checkpoint()));
  victim.metadata.erase("format");
  CHECK_FALSE(is_artifact(victim.checkpoint()));
}

TEST_CASE("artifact: refused, no schema at all") {
  Victim victim;
  victim.metadata.erase("schema");
  CHECK_FALSE(is_artifact(victim.checkpoint()));
  victim.must_be_refused("metadata schema is ");
}

TEST_CASE("artifact: refused, a tensor that is missing") {
  for (const std::string& name : small_artifact().checkpoint().names()) {
    if (name == "blocks.0.attn.scales" || name.ends_with(".quantization") || name.ends_with(".gain") ||
        name.ends_with(".input_levels")) {
      continue;
    }
    CAPTURE(name);
    Victim victim;
    victim.erase(name).must_be_refused("missing " + name);
  }
}

TEST_CASE("artifact: refused, integers without the tensor that announces them") {
  Victim().erase(kQkv + ".quantization").must_be_refused("expected blocks.0.attn.qkv.weight F32 [18, 6], found U8");
  Victim().erase(kProj + ".quantization").must_be_refused("expected blocks.0.attn.proj.weight F32 [6, 6], found U8");
  Victim().erase("blocks.0.norm1.gain").must_be_refused("missing blocks.0.norm1");
  Victim().erase("blocks.0.attn.scales").must_be_refused("unexpected blocks.0.attn.softmax [4]");
}

TEST_CASE("artifact: refused, a tensor too many") {
  Victim().put("blocks.7.attn.scales", FileDType::kF32, {3}).must_be_refused("unexpected blocks.7.attn.scales [3]");
  Victim().put("blocks.0.norm1.weight", FileDType::kF32, {6}).must_be_refused("unexpected blocks.0.norm1.weight");
  Victim().put("patch_embed.proj.weight_zero_point", FileDType::kU8, {6}).must_be_refused("unexpected patch_embed");
  Victim().put("\x1b[31m", FileDType::kU8, {6}).must_be_refused("unexpected \"\\x1b[31m\"");
}

TEST_CASE("artifact: refused, a tensor of another type") {
  for (const std::string& name : small_artifact().checkpoint().names()) {
    CAPTURE(name);
    Victim victim;
    const Shape shape = victim.checkpoint().shape(name);
    victim.put(name, FileDType::kI32, shape).must_be_refused("expected " + name);
  }
}

TEST_CASE("artifact: refused, a tensor of another shape") {
  for (const std::string& name : small_artifact().checkpoint().names()) {
    CAPTURE(name);
    Victim victim;
    const Checkpoint valid = victim.checkpoint();
    Shape shape = valid.shape(name);
    shape.back() += 1;
    victim.put(name, valid.raw(name)->dtype, shape).must_be_refused("expected " + name);
    victim.put(name, valid.raw(name)->dtype, {}).must_be_refused("expected " + name);
    victim.put(name, valid.raw(name)->dtype, {0}).must_be_refused("expected " + name);
  }
}

TEST_CASE("artifact: refused, a layer of another model, and the hint says which") {
  ArtifactBuilder builder = small_artifact();
  std::vector<TensorSpec> larger = small_tensors();
  for (TensorSpec& spec : larger) {
    if (spec.name == kQkv + ".weight") spec.shape = {36, 12};
  }
  CHECK_THROWS_WITH_AS(require_artifact(builder.checkpoint(), larger, "is this deit_t?"),
                       "quantized weights: expected blocks.0.attn.qkv of [outputs, inputs] [36, 12], found [18, 6]; is "
                       "this deit_t?",
                       Error);
}

TEST_CASE("artifact: refused, scales that are not") {
  for (const float scale : {0.0F, -0.0F, -1.0F, 1e30F, 3e38F, kInfinity, -kInfinity, std::nanf("")}) {
    CAPTURE(scale);
    Victim().set(kQkv + ".quantization", 0, scale).must_be_refused("tensor blocks.0.attn.qkv.quantization");
    Victim().set(kQkv + ".weight_scale", 17, scale).must_be_refused("tensor blocks.0.attn.qkv.weight_scale");
    Victim().set("blocks.0.attn.scales", 2, scale).must_be_refused("tensor blocks.0.attn.scales");
  }
  Victim().set(kQkv + ".weight_scale", 17, -1).must_be_refused("element 17 is -1, expected a scale greater than 0");
}

TEST_CASE("artifact: refused, values that are not finite") {
  for (const char* name : {"blocks.0.attn.qkv.bias", "blocks.0.norm1.gain", "blocks.0.norm1.shift", "pos_embed",
                           "norm.weight", "head.fc.weight"}) {
    for (const float value : {kInfinity, std::nanf("")}) {
      Victim().set(name, 1, value).must_be_refused(std::string("tensor ") + name);
    }
  }
  Victim().set("blocks.0.attn.softmax", 2, kInfinity).must_be_refused("tensor blocks.0.attn.softmax");
  Victim().set("blocks.0.attn.softmax", 3, std::nanf("")).must_be_refused("tensor blocks.0.attn.softmax");
}

TEST_CASE("artifact: refused, bits outside 3 to 8") {
  for (const float bits : {-8.0F, 0.0F, 2.0F, 9.0F, 3.5F, 1e20F, kInfinity, std::nanf("")}) {
    CAPTURE(bits);
    Victim().set(kQkv + ".quantization", 2, bits).must_be_refused("tensor blocks.0.attn.qkv.quantization");
    Victim().set(kQkv + ".quantization", 3, bits).must_be_refused("tensor blocks.0.attn.qkv.quantization");
    Victim().set("blocks.0.attn.softmax", 1, bits).must_be_refused("tensor blocks.0.attn.softmax");
  }
  Victim().set(kQkv + ".quantization", 2, 9).must_be_refused("number of input bits is 9, expected an integer from 3");
  Victim().set(kQkv + ".quantization", 3, 2).must_be_refused("number of weight bits is 2, expected an integer from 3");
}

TEST_CASE("artifact: refused, weight bits that the codes do not have") {
  Victim().set(kQkv + ".quantization", 3, 5).must_be_refused("expected blocks.0.attn.qkv.weight U8 [18, 4], found U8");
  Victim().set(kQkv + ".quantization", 3, 8).must_be_refused("expected blocks.0.attn.qkv.weight I8 [18, 6], found U8");
  Victim().set("patch_embed.proj.quantization", 3, 4).must_be_refused("weight U8 [6, 6], found I8 [6, 12]");
}

TEST_CASE("artifact: refused, input zero points that are no integers or far away") {
  for (const float zero_point : {0.5F, 4194305.0F, -4194305.0F, 1e30F, kInfinity, std::nanf("")}) {
    CAPTURE(zero_point);
    Victim().set(kQkv + ".quantization", 1, zero_point).must_be_refused("tensor blocks.0.attn.qkv.quantization");
  }
  for (const int zero_point : {-4194304, 4194304}) {
    Victim victim;
    victim.set(kQkv + ".quantization", 1, static_cast<float>(zero_point));
    CHECK(read_quantized_linear(victim.checkpoint(), kQkv)->input_zero_point == zero_point);
  }
}

TEST_CASE("artifact: refused, a number of inputs that is none, or another one of the same bytes") {
  for (const float inputs : {0.0F, -6.0F, 6.5F, 65537.0F, 1e30F, std::nanf("")}) {
    CAPTURE(inputs);
    Victim().set(kQkv + ".quantization", 4, inputs).must_be_refused("tensor blocks.0.attn.qkv.quantization");
  }
  Victim victim;  // 5 codes of 4 bits take 3 bytes as 6 do, but leave half a byte
  for (std::size_t row = 0; row < 18; ++row) victim.set_byte(kQkv + ".weight", row * 3 + 2, 0);
  victim.set(kQkv + ".quantization", 4, 5).must_be_refused("expected blocks.0.attn.qkv of [outputs, inputs] [18, 6]");
}

TEST_CASE("artifact: refused, input levels that do not ascend") {
  const std::string name = kProj + ".input_levels";  // 0, 17, 34, ..., 255
  Victim().set_byte(name, 2, 17).must_be_refused("input_levels: element 2 is 17, expected more than the 17 before it");
  Victim().set_byte(name, 2, 16).must_be_refused("input_levels: element 2 is 16, expected more than the 17 before it");
  Victim().set_byte(name, 14, 255).must_be_refused("element 15 is 255, expected more than the 255 before it");
}

TEST_CASE("artifact: refused, input levels of another type or number") {
  const std::string name = kProj + ".input_levels";
  const std::string expected = "expected blocks.0.attn.proj.input_levels U8 [2 to 16], found ";
  Victim().put(name, FileDType::kI8, {16}).must_be_refused(expected + "I8 [16]");
  Victim().put(name, FileDType::kF32, {16}).must_be_refused(expected + "F32 [16]");
  Victim().put(name, FileDType::kU8, {0}).must_be_refused(expected + "U8 [0]");
  Victim().put(name, FileDType::kU8, {1}).must_be_refused(expected + "U8 [1]");
  Victim().put(name, FileDType::kU8, {17}).must_be_refused(expected + "U8 [17]");
  Victim().put(name, FileDType::kU8, {4, 4}).must_be_refused(expected + "U8 [4, 4]");
  Victim().set(kProj + ".quantization", 2, 3).must_be_refused("input_levels U8 [2 to 8], found U8 [16]");
}

TEST_CASE("artifact: input levels may be missing, but not stand beside a layer in float") {
  CHECK_NOTHROW(require_artifact(Victim().erase(kProj + ".input_levels").checkpoint(), small_tensors(), ""));
  Victim().put("head.fc.input_levels", FileDType::kU8, {2}).must_be_refused("unexpected head.fc.input_levels [2]");
}

TEST_CASE("artifact: refused, weight levels that do not ascend, are too many, or are too few for the codes") {
  const std::string name = kQkv + ".weight_levels";
  const auto victim = [&] { return Victim().erase(kQkv + ".weight_zero_point"); };
  const std::string expected = "expected blocks.0.attn.qkv.weight_levels I8 [2 to 16], found ";
  victim().put(name, FileDType::kI8, {16}).must_be_refused("weight_levels: element 1 is 0, expected more than the 0");
  victim().put(name, FileDType::kU8, {16}).must_be_refused(expected + "U8 [16]");
  victim().put(name, FileDType::kI8, {1}).must_be_refused(expected + "I8 [1]");
  victim().put(name, FileDType::kI8, {17}).must_be_refused(expected + "I8 [17]");
  victim()
      .put(name, FileDType::kI8, {2})
      .set_byte(name, 1, 5)
      .must_be_refused("expected less than 2, the number of weight levels");
  Victim both;
  both.put(name, FileDType::kI8, {16});
  for (int i = 0; i < 16; ++i) both.set_byte(name, i, static_cast<std::uint8_t>(i));
  both.must_be_refused("unexpected blocks.0.attn.qkv.weight_zero_point");
  Victim().put("patch_embed.proj.weight_levels", FileDType::kI8, {2}).must_be_refused("unexpected patch_embed");
}

TEST_CASE("artifact: refused, weight zero points outside the codes") {
  Victim().set_byte(kQkv + ".weight_zero_point", 3, 16).must_be_refused("element 3 is 16, expected less than 16 at 4");
  Victim()
      .set_byte(kReduction + ".weight_zero_point", 0, 255)
      .must_be_refused("element 0 is 255, expected less than 8");
}

TEST_CASE("artifact: refused, bits behind the last code of a row") {
  Victim victim;
  victim.set_byte(kReduction + ".weight", 8, 0x80).must_be_refused("reduction.weight: row 2 has bits behind");
  CHECK_THROWS_AS(read_quantized_linear(victim.checkpoint(), kReduction), Error);
}

TEST_CASE("artifact: refused, an unknown softmax method") {
  for (const float method : {-1.0F, 4.0F, 0.5F, 1e20F, std::nanf("")}) {
    Victim().set("blocks.0.attn.softmax", 0, method).must_be_refused("tensor blocks.0.attn.softmax");
  }
}

TEST_CASE("artifact: refused, a table where none is needed") {
  Victim().set("blocks.0.attn.softmax", 0, 0).set("blocks.0.attn.softmax", 1, 8).must_be_refused("unexpected blocks.0");
}

TEST_CASE("artifact: refused, a table that would divide a row by zero") {
  Victim().set_byte("blocks.0.attn.softmax_table", 4095, 0).must_be_refused("softmax_table: the last element");
}

TEST_CASE("artifact: refused, a file cut short at any byte") {
  const TemporaryFolder folder;
  small_artifact().write(folder.path() / "x");
  std::ifstream stream(folder.path() / "x", std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(stream), {}};
  for (std::size_t length = 0; length < bytes.size(); length += length < 64 ? 1 : 97) {
    const auto path = folder.write("cut", std::string_view(bytes).substr(0, length));
    CHECK_THROWS_AS(Checkpoint::open(path), Error);
  }
  CHECK_THROWS_AS(Checkpoint::open(folder.write("cut", std::string_view(bytes).substr(0, bytes.size() - 1))), Error);
}

TEST_CASE("artifact: refused, a float reader is told") {
  const Checkpoint checkpoint = small_artifact().checkpoint();
  CHECK_THROWS_WITH_AS(checkpoint.require(small_tensors(), ""), doctest::Contains("unexpected "), Error);
  CHECK_THROWS_WITH_AS(checkpoint.f32(kQkv + ".weight"), doctest::Contains("is U8, expected F32"), Error);
}

TEST_CASE("artifact: any single changed byte of the data is refused or read without harm") {
  const Checkpoint valid = small_artifact().checkpoint();
  int refused = 0;
  int accepted = 0;
  for (const std::string& name : valid.names()) {
    const FileTensor& tensor = *valid.raw(name);
    const std::size_t step = tensor.bytes.size() > 200 ? 97 : 1;
    for (std::size_t i = 0; i < tensor.bytes.size(); i += step) {
      for (const int flip : {0x01, 0x80, 0xff}) {
        Victim victim;
        const Checkpoint changed = victim.set_byte(name, i, tensor.bytes[i] ^ flip).checkpoint();
        try {
          require_artifact(changed, small_tensors(), "");
          for (const std::string& layer : {kQkv, kProj, kReduction}) {
            const auto linear = read_quantized_linear(changed, layer);
            for (std::size_t c = 0; c < linear->codes.size(); ++c) {
              const int stored = linear->codes[c] + linear->zero_point[c / linear->inputs];
              if (stored < 0 || stored >= 1 << linear->weight_bits) FAIL("code out of range");
            }
          }
          ++accepted;
        } catch (const Error&) {
          ++refused;
        }
      }
    }
  }
  CHECK(refused > 100);
  CHECK(accepted > 100);
}

}  // namespace vitq
