// Quantized models as files: what is written is read back, of every width; what it weighs; and what a builder refuses.
#include "weights/artifact.h"

#include <doctest/doctest.h>

#include <cstring>
#include <limits>
#include <map>
#include <memory>

#include "engine/error.h"
#include "tests/random.h"
#include "tests/small_artifact.h"
#include "tests/temporary_folder.h"

namespace vitq {
namespace {

using test::random_attention;
using test::random_linear;
using test::random_linear_with_levels;
using test::random_linear_with_weight_levels;
using test::small_artifact;
using test::small_tensors;
using test::TemporaryFolder;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

void check_same(const QuantizedLinear& a, const QuantizedLinear& b) {
  CHECK(a.outputs == b.outputs);
  CHECK(a.inputs == b.inputs);
  CHECK(a.weight_bits == b.weight_bits);
  CHECK(a.input_bits == b.input_bits);
  CHECK(a.input_scale == b.input_scale);
  CHECK(a.input_zero_point == b.input_zero_point);
  CHECK(a.codes == b.codes);
  CHECK(a.zero_point == b.zero_point);
  CHECK(a.scale == b.scale);
  CHECK(a.bias == b.bias);
  CHECK(a.input_levels == b.input_levels);
  CHECK(a.weight_levels == b.weight_levels);
}

void check_same(const QuantizedAttention& a, const QuantizedAttention& b) {
  CHECK(a.scales == b.scales);
  CHECK(a.method == b.method);
  CHECK(a.bits == b.bits);
  CHECK(a.a == b.a);
  CHECK(a.c == b.c);
  CHECK(a.table == b.table);
}

const std::string kQkv = "blocks.0.attn.qkv";
const std::string kReduction = "layers.1.downsample.reduction";

}  // namespace

TEST_CASE("artifact: linear layers of every width and odd extents return from memory and from a file") {
  const TemporaryFolder folder;
  ArtifactBuilder builder;
  std::map<std::string, QuantizedLinear> layers;
  for (int bits = 3; bits <= 8; ++bits) {
    for (const std::int64_t inputs : {1, 3, 8, 13, 51, 64}) {
      const std::string name = "b" + std::to_string(bits) + ".i" + std::to_string(inputs);
      layers[name] = random_linear(5, inputs, bits, bits * 100 + inputs);
      builder.add_linear(name, layers[name]);
    }
  }
  builder.write(folder.path() / "x");
  const Checkpoint opened = Checkpoint::open(folder.path() / "x");
  const Checkpoint memory = builder.checkpoint();
  CHECK(opened.names() == memory.names());
  for (const auto& entry : layers) {
    const std::string& name = entry.first;
    const QuantizedLinear& layer = entry.second;
    CAPTURE(name);
    for (const Checkpoint* checkpoint : {&opened, &memory}) {
      CHECK(quantized_shape(*checkpoint, name) == Shape{layer.outputs, layer.inputs});
      const auto found = read_quantized_linear(*checkpoint, name);
      REQUIRE(found);
      check_same(*found, layer);
    }
  }
}

TEST_CASE("artifact: input levels return, from two to as many as the input bits allow") {
  const TemporaryFolder folder;
  ArtifactBuilder builder;
  std::map<std::string, QuantizedLinear> layers;
  for (int bits = 3; bits <= 8; ++bits) {
    const std::string name = "b" + std::to_string(bits);
    layers[name + ".all"] = random_linear_with_levels(3, 5, bits, bits);
    layers[name + ".two"] = layers[name + ".all"];
    layers[name + ".two"].input_levels = {0, 255};
    layers[name + ".none"] = random_linear(3, 5, bits, bits);
  }
  for (const auto& [name, layer] : layers) builder.add_linear(name, layer);
  builder.write(folder.path() / "x");
  const Checkpoint opened = Checkpoint::open(folder.path() / "x");
  for (const auto& [name, layer] : layers) {
    check_same(*read_quantized_linear(opened, name), layer);
    CHECK(opened.contains(name + ".input_levels") == !layer.input_levels.empty());
  }
}

TEST_CASE("artifact: weight levels return, from two to as many as the weight bits allow") {
  const TemporaryFolder folder;
  ArtifactBuilder builder;
  std::map<std::string, QuantizedLinear> layers;
  for (int bits = 3; bits <= 7; ++bits) {
    const std::string name = "b" + std::to_string(bits);
    layers[name + ".all"] = random_linear_with_weight_levels(3, 5, bits, bits);
    layers[name + ".two"] = layers[name + ".all"];
    layers[name + ".two"].weight_levels = {-128, 127};
    for (std::int8_t& code : layers[name + ".two"].codes) code = code > 0 ? 127 : -128;
  }
  for (const auto& [name, layer] : layers) builder.add_linear(name, layer);
  builder.write(folder.path() / "x");
  const Checkpoint opened = Checkpoint::open(folder.path() / "x");
  for (const auto& [name, layer] : layers) {
    check_same(*read_quantized_linear(opened, name), layer);
    CHECK_FALSE(opened.contains(name + ".weight_zero_point"));
  }
}

TEST_CASE("artifact: the extreme codes of every width return") {
  for (int bits = 3; bits <= 8; ++bits) {
    ArtifactBuilder builder;
    QuantizedLinear linear = random_linear(2, 3, bits, 1);
    const int most = (1 << bits) - 1;
    if (bits == 8) {
      linear.codes = {-128, 127, 0, 127, -128, -1};
    } else {
      linear.zero_point = {0, static_cast<std::uint8_t>(most)};
      linear.codes = {0, static_cast<std::int8_t>(most), 1, static_cast<std::int8_t>(-most), 0, -1};
    }
    builder.add_linear("a", linear);
    check_same(*read_quantized_linear(builder.checkpoint(), "a"), linear);
  }
}

TEST_CASE("artifact: an 8-bit weight is stored as the codes, a narrower one packed row by row") {
  const Checkpoint checkpoint = small_artifact().checkpoint();
  const QuantizedLinear wide = *read_quantized_linear(checkpoint, "patch_embed.proj");
  const FileTensor& codes = *checkpoint.raw("patch_embed.proj.weight");
  CHECK(codes.dtype == FileDType::kI8);
  CHECK(std::memcmp(codes.bytes.data(), wide.codes.data(), wide.codes.size()) == 0);

  const QuantizedLinear narrow = *read_quantized_linear(checkpoint, kReduction);
  const FileTensor& packed = *checkpoint.raw(kReduction + ".weight");
  CHECK(packed.dtype == FileDType::kU8);
  CHECK(packed.shape == Shape{4, 3});  // 7 codes of 3 bits
  for (std::int64_t i = 0; i < 7; ++i) {
    const int bit = static_cast<int>(i) * 3;
    const unsigned word = packed.bytes[3] | packed.bytes[4] << 8 | packed.bytes[5] << 16;
    CHECK(static_cast<int>(word >> bit & 7) - narrow.zero_point[1] == narrow.codes[7 + i]);
  }
}

TEST_CASE("artifact: attentions of every method and width return, uniform 8 bits without a table") {
  ArtifactBuilder builder;
  std::map<std::string, QuantizedAttention> attentions;
  for (int method = 0; method < 4; ++method) {
    for (int bits = 3; bits <= 8; ++bits) {
      const std::string name = "a" + std::to_string(method) + std::to_string(bits);
      attentions[name] = random_attention(method, bits);
      builder.add_attention(name, attentions[name]);
    }
  }
  const Checkpoint checkpoint = builder.checkpoint();
  for (const auto& [name, attention] : attentions) check_same(*read_quantized_attention(checkpoint, name), attention);
  CHECK_FALSE(checkpoint.contains("a08.softmax_table"));
  CHECK(checkpoint.contains("a07.softmax_table"));
  CHECK(checkpoint.contains("a18.softmax_table"));
}

TEST_CASE("artifact: what is float is not found as integers") {
  const Checkpoint checkpoint = small_artifact().checkpoint();
  CHECK_FALSE(read_quantized_linear(checkpoint, "head.fc"));
  CHECK_FALSE(quantized_shape(checkpoint, "head.fc"));
  CHECK_FALSE(read_quantized_attention(checkpoint, "blocks.1.attn"));
  CHECK(has_folded_norm(checkpoint, "blocks.0.norm1"));
  CHECK_FALSE(has_folded_norm(checkpoint, "norm"));
  const Checkpoint seeded = Checkpoint::seeded(small_tensors(), 0);
  CHECK_FALSE(is_artifact(seeded));
  CHECK_FALSE(read_quantized_linear(seeded, kQkv));
  CHECK(seeded.raw(kQkv + ".weight") == nullptr);
}

TEST_CASE("artifact: a valid one is accepted, in memory and as a file, metadata and floats included") {
  const TemporaryFolder folder;
  const ArtifactBuilder builder = small_artifact();
  builder.write(folder.path() / "x.safetensors");
  const Checkpoint memory = builder.checkpoint();
  const Checkpoint opened = Checkpoint::open(folder.path() / "x.safetensors");
  for (const Checkpoint* checkpoint : {&memory, &opened}) {
    CHECK(is_artifact(*checkpoint));
    CHECK_NOTHROW(require_artifact(*checkpoint, small_tensors(), "hint"));
    CHECK(checkpoint->metadata().at("format") == "vitq");
    CHECK(checkpoint->metadata().at("schema") == "1");
    CHECK(checkpoint->metadata().at("vitq_version") == "0.1.0");
    const auto floats = checkpoint->f32("pos_embed");
    CHECK(std::vector<float>(floats.begin(), floats.end()) == test::random_floats(30, 6));
    const auto gain = checkpoint->f32("blocks.0.norm1.gain");
    CHECK(std::vector<float>(gain.begin(), gain.end()) == test::random_floats(6, 4));
  }
}

TEST_CASE("artifact: a model in float throughout is one too") {
  ArtifactBuilder builder;
  const Checkpoint seeded = Checkpoint::seeded(small_tensors(), 0);
  for (const TensorSpec& spec : small_tensors()) builder.add_float(spec.name, spec.shape, seeded.f32(spec.name));
  CHECK_NOTHROW(require_artifact(builder.checkpoint(), small_tensors(), ""));
}

TEST_CASE("artifact: a checkpoint from memory outlives its builder") {
  auto builder = std::make_unique<ArtifactBuilder>(small_artifact());
  const Checkpoint checkpoint = builder->checkpoint();
  builder.reset();
  CHECK_NOTHROW(require_artifact(checkpoint, small_tensors(), ""));
}

TEST_CASE("artifact: the builder refuses what could not be read, and stays as it was") {
  ArtifactBuilder builder;
  const auto refuses = [&builder](auto&& change) {
    for (const int bits : {4, 8}) {
      QuantizedLinear linear = random_linear(4, 5, bits, 1);
      change(linear);
      CHECK_THROWS_AS(builder.add_linear("a", linear), Error);
    }
  };
  refuses([](QuantizedLinear& l) { l.codes.pop_back(); });
  refuses([](QuantizedLinear& l) { l.scale.pop_back(); });
  refuses([](QuantizedLinear& l) { l.bias.push_back(0); });
  refuses([](QuantizedLinear& l) { l.zero_point.push_back(0); });
  refuses([](QuantizedLinear& l) { l.outputs = -4; });
  refuses([](QuantizedLinear& l) { l.inputs = 0; });
  refuses([](QuantizedLinear& l) { l.scale[2] = 0; });
  refuses([](QuantizedLinear& l) { l.bias[2] = kInfinity; });
  refuses([](QuantizedLinear& l) { l.input_scale = -1; });
  refuses([](QuantizedLinear& l) { l.input_zero_point = 5'000'000; });
  refuses([](QuantizedLinear& l) { l.input_bits = 9; });
  refuses([](QuantizedLinear& l) { l.weight_bits = 2; });
  refuses([](QuantizedLinear& l) { l.weight_bits = 9; });
  refuses([](QuantizedLinear& l) { l.input_levels = {7}; });
  refuses([](QuantizedLinear& l) { l.input_levels = {7, 7}; });
  refuses([](QuantizedLinear& l) { l.input_levels = {8, 7}; });
  refuses([](QuantizedLinear& l) { l.input_levels.assign((1 << l.input_bits) + 1, 7); });
  refuses([](QuantizedLinear& l) { l.weight_levels = {-1, 1}; });  // beside zero points, or at 8 bits
  const auto refuses_levels = [&builder](auto&& change, const char* words) {
    QuantizedLinear linear = random_linear_with_weight_levels(4, 5, 4, 1);
    change(linear);
    CHECK_THROWS_WITH_AS(builder.add_linear("a", linear), doctest::Contains(words), Error);
  };
  refuses_levels([](QuantizedLinear& l) { l.codes[3] += 1; }, "of row 0 is none of the weight levels");
  refuses_levels([](QuantizedLinear& l) { l.weight_levels.push_back(127); },
                 "weight_levels I8 [2 to 16], found I8 [17]");
  refuses_levels([](QuantizedLinear& l) { l.zero_point.assign(4, 0); }, "4 zero points for 4 outputs");
  QuantizedLinear outside = random_linear(4, 5, 4, 1);
  outside.codes[7] = static_cast<std::int8_t>(16 - outside.zero_point[1]);
  CHECK_THROWS_WITH_AS(builder.add_linear("a", outside), doctest::Contains("expected a sum from 0 to 15"), Error);

  QuantizedAttention attention = random_attention(1, 8);
  attention.table.pop_back();
  CHECK_THROWS_AS(builder.add_attention("a", attention), Error);
  attention = random_attention(0, 8);
  attention.table.assign(4096, 255);
  CHECK_THROWS_AS(builder.add_attention("a", attention), Error);
  CHECK_THROWS_AS(builder.add_norm("a", std::vector<float>{1}, std::vector<float>{1, 2}), Error);
  CHECK_THROWS_AS(builder.add_norm("a", std::vector<float>{1}, std::vector<float>{kInfinity}), Error);
  CHECK_THROWS_AS(builder.add_float("a", {2}, std::vector<float>{1}), Error);
  CHECK_THROWS_AS(builder.add_float("a", {1}, std::vector<float>{kInfinity}), Error);
  CHECK(builder.checkpoint().names().empty());

  builder.add_float("a", {1}, std::vector<float>{1});
  CHECK_THROWS_WITH_AS(builder.add_float("a", {1}, std::vector<float>{1}), doctest::Contains("comes twice"), Error);
  CHECK_THROWS_AS(builder.set_metadata("format", "pt"), Error);
  CHECK_THROWS_AS(builder.set_metadata("schema", "2"), Error);
  CHECK_NOTHROW(builder.set_metadata("format", "vitq"));
  CHECK(builder.checkpoint().metadata().size() == 2);
}

TEST_CASE("artifact: a write that fails leaves the old file and nothing else") {
  const TemporaryFolder folder;
  const auto path = folder.path() / "x";
  small_artifact().write(path);
  ArtifactBuilder bad = small_artifact();
  bad.set_metadata("source", "\xff is no UTF-8");
  CHECK_THROWS_AS(bad.write(path), Error);
  CHECK(folder.file_count() == 1);
  CHECK_NOTHROW(require_artifact(Checkpoint::open(path), small_tensors(), ""));

  const Checkpoint old = Checkpoint::open(path);  // replaced by rename: whoever has the old one open keeps it
  ArtifactBuilder().write(path);
  CHECK(folder.file_count() == 1);
  CHECK_NOTHROW(require_artifact(old, small_tensors(), ""));
  CHECK(Checkpoint::open(path).names().empty());
}

namespace {

/// Bytes of the file of a DeiT of 12 blocks of this width with random codes, relative to its parameters in FP32.
double relative_size(std::int64_t dim, int bits, int edge_bits) {
  ArtifactBuilder builder;
  double floats = 0;
  const auto add_floats = [&](const std::string& name, const Shape& shape) {
    const std::int64_t count = element_count(shape);
    builder.add_float(name, shape, test::random_floats(count, 1));
    floats += static_cast<double>(count);
  };
  const auto add_linear = [&](const std::string& name, std::int64_t outputs, std::int64_t inputs, int width) {
    builder.add_linear(name, random_linear(outputs, inputs, width, 1));
    floats += static_cast<double>(outputs * (inputs + 1));
  };
  add_linear("patch_embed.proj", dim, 3 * 16 * 16, edge_bits);
  add_floats("cls_token", {1, 1, dim});
  add_floats("pos_embed", {1, 197, dim});
  for (int b = 0; b < 12; ++b) {
    const std::string block = "blocks." + std::to_string(b) + ".";
    for (const char* norm : {"norm1", "norm2"}) {
      builder.add_norm(block + norm, test::random_floats(dim, 1), test::random_floats(dim, 2));
      floats += static_cast<double>(2 * dim);
    }
    add_linear(block + "attn.qkv", 3 * dim, dim, bits);
    builder.add_attention(block + "attn", random_attention(1, bits));
    add_linear(block + "attn.proj", dim, dim, bits);
    add_linear(block + "mlp.fc1", 4 * dim, dim, bits);
    add_linear(block + "mlp.fc2", dim, 4 * dim, bits);
  }
  add_floats("norm.weight", {dim});
  add_floats("norm.bias", {dim});
  add_linear("head", 1000, dim, edge_bits);
  if (dim == 192) CHECK(floats == 5'717'416);
  if (dim == 384) CHECK(floats == 22'050'664);

  const TemporaryFolder folder;
  builder.write(folder.path() / "x");
  const auto bytes = static_cast<double>(std::filesystem::file_size(folder.path() / "x"));
  CHECK(bytes > static_cast<double>(builder.size()));
  const double ratio = bytes / (4 * floats);
  MESSAGE("dim " << dim << ", " << bits << " bits, edges " << edge_bits << ": " << ratio << " of FP32");
  return ratio;
}

}  // namespace

TEST_CASE("artifact: 8 bits take at most 0.27 of FP32, 4 bits at most 0.15") {
  CHECK(relative_size(192, 8, 8) <= 0.27);
  CHECK(relative_size(192, 4, 4) <= 0.15);
  CHECK(relative_size(384, 4, 8) <= 0.15);
}

}  // namespace vitq
