// Tensors put together of what files store: values and shapes, of every share and type, and what cannot be.
#include "weights/assembly.h"

#include <doctest/doctest.h>

#include <numeric>

#include "engine/error.h"
#include "tests/temporary_folder.h"
#include "weights/checkpoint.h"
#include "weights/safetensors.h"

namespace vitq {
namespace {

using test::TemporaryFolder;

/// Stored tensors whose elements are `first`, `first` + 1, ...
class Stored {
 public:
  Stored(std::string name, Shape shape, float first) : values_(static_cast<std::size_t>(element_count(shape))) {
    std::iota(values_.begin(), values_.end(), first);
    tensor_ = {std::move(name),
               FileDType::kF32,
               std::move(shape),
               {reinterpret_cast<const std::uint8_t*>(values_.data()), values_.size() * sizeof(float)}};
  }
  Stored(const Stored&) = delete;
  Stored& operator=(const Stored&) = delete;
  [[nodiscard]] const FileTensor& tensor() const { return tensor_; }

 private:
  std::vector<float> values_;
  FileTensor tensor_;
};

Assembly assembled(const std::vector<std::pair<const FileTensor*, Share>>& parts) {
  Portions portions;
  std::vector<const FileTensor*> stored;
  for (const auto& [tensor, share] : parts) {
    portions.push_back({tensor->name, share});
    stored.push_back(tensor);
  }
  return {"made", portions, stored};
}

std::vector<float> values(const Assembly& assembly) {
  std::vector<float> read(static_cast<std::size_t>(element_count(assembly.shape())));
  assembly.read(read, "made", "file");
  return read;
}

}  // namespace

TEST_CASE("assembly: rows stand one after the other, and the bias that keys lack is zero") {
  const Stored q("q", {1, 2}, 1);
  const Stored k("k", {1, 2}, 3);
  const Stored v("v", {1, 2}, 5);
  const Assembly qkv =
      assembled({{&q.tensor(), Share::kQuery}, {&k.tensor(), Share::kKey}, {&v.tensor(), Share::kValue}});
  CHECK(qkv.shape() == Shape{3, 2});
  CHECK(values(qkv) == std::vector<float>{1, 2, 3, 4, 5, 6});
  CHECK(qkv.whole() == nullptr);
  CHECK(qkv.bytes().empty());
  const Stored q_bias("q_bias", {2}, 1);
  const Stored v_bias("v_bias", {2}, 5);
  const Assembly bias = assembled({{&q_bias.tensor(), Share::kQuery}, {&v_bias.tensor(), Share::kValue}});
  CHECK(bias.shape() == Shape{6});
  CHECK(values(bias) == std::vector<float>{1, 2, 0, 0, 5, 6});
  const Assembly gated = assembled({{&q.tensor(), Share::kGate}, {&v.tensor(), Share::kUp}});
  CHECK(gated.shape() == Shape{2, 2});
  CHECK(values(gated) == std::vector<float>{1, 2, 5, 6});
}

TEST_CASE("assembly: thirds, turned matrices, more dimensions and positions") {
  const Stored packed("packed", {3, 2}, 1);
  CHECK(values(assembled({{&packed.tensor(), Share::kFirstThird}})) == std::vector<float>{1, 2});
  const Assembly kv = assembled({{&packed.tensor(), Share::kOtherThirds}});
  CHECK(kv.shape() == Shape{2, 2});
  CHECK(values(kv) == std::vector<float>{3, 4, 5, 6});
  CHECK(kv.bytes().size() == 4 * sizeof(float));
  const Assembly turned = assembled({{&packed.tensor(), Share::kTransposed}});
  CHECK(turned.shape() == Shape{2, 3});
  CHECK(values(turned) == std::vector<float>{1, 3, 5, 2, 4, 6});
  const Stored flat("flat", {4}, 1);
  CHECK(assembled({{&flat.tensor(), Share::kThreeDims}}).shape() == Shape{1, 1, 4});
  CHECK(assembled({{&packed.tensor(), Share::kThreeDims}}).shape() == Shape{1, 3, 2});
  const Stored positions("positions", {1, 3, 2}, 10);
  const Stored token("token", {1, 1, 2}, 1);
  const Assembly behind = assembled({{&positions.tensor(), Share::kPositionsBehind}});
  CHECK(behind.shape() == Shape{1, 2, 2});
  CHECK(values(behind) == std::vector<float>{12, 13, 14, 15});
  const Assembly sum = assembled({{&token.tensor(), Share::kWhole}, {&positions.tensor(), Share::kPositionAdded}});
  CHECK(sum.shape() == Shape{1, 1, 2});
  CHECK(values(sum) == std::vector<float>{11, 13});
  const Assembly whole = assembled({{&token.tensor(), Share::kWhole}});
  CHECK(whole.whole() == &token.tensor());
}

TEST_CASE("assembly: shapes that do not go together are errors that name the tensor") {
  const Stored matrix("matrix", {4, 2}, 0);
  const Stored other("other", {2, 2}, 0);
  const Stored scalar("scalar", {}, 0);
  const Stored token("token", {1, 1, 3}, 0);
  const Stored positions("positions", {1, 3, 2}, 0);
  const auto refused = [](std::vector<std::pair<const FileTensor*, Share>> parts, const char* message) {
    CHECK_THROWS_WITH_AS(assembled(std::move(parts)), doctest::Contains(message), Error);
  };
  refused({{&matrix.tensor(), Share::kQuery}, {&other.tensor(), Share::kKey}, {&matrix.tensor(), Share::kValue}},
          "tensor other is [2, 2], expected [4, 2] as matrix is (for made)");
  refused({{&matrix.tensor(), Share::kFirstThird}},
          "tensor matrix is [4, 2], expected rows of queries, keys and values");
  refused({{&scalar.tensor(), Share::kOtherThirds}}, "tensor scalar is [], expected rows");
  refused({{&scalar.tensor(), Share::kGate}, {&scalar.tensor(), Share::kUp}}, "tensor scalar is [], expected rows");
  refused({{&positions.tensor(), Share::kTransposed}}, "tensor positions is [1, 3, 2], expected a matrix");
  refused({{&matrix.tensor(), Share::kPositionsBehind}}, "expected [1, positions, width]");
  refused({{&token.tensor(), Share::kWhole}, {&positions.tensor(), Share::kPositionAdded}},
          "tensor positions is [1, 3, 2], expected [1, positions, width]");
}

TEST_CASE(
    "assembly: a checkpoint gives what is put together as one tensor, of 16-bit files too, and tells of the file") {
  const TemporaryFolder folder;
  const std::vector<std::uint16_t> half = {0x3c00, 0x4000, 0x4200, 0x4400, 0x4500, 0x4600};  // 1 to 6
  const auto bytes = [&](std::size_t first, std::size_t count) {
    return std::span(reinterpret_cast<const std::uint8_t*>(half.data() + first), count * sizeof(half[0]));
  };
  const std::string attention = "vit.encoder.layer.0.attention.attention.";
  std::vector<FileTensor> tensors = {
      {"vit.embeddings.patch_embeddings.projection.weight", FileDType::kF16, {1}, bytes(0, 1)},
      {attention + "query.weight", FileDType::kF16, {1, 2}, bytes(0, 2)},
      {attention + "key.weight", FileDType::kF16, {1, 2}, bytes(2, 2)},
      {attention + "value.weight", FileDType::kF16, {1, 2}, bytes(4, 2)},
      {"vit.pooler.dense.weight", FileDType::kF16, {1}, bytes(0, 1)},
  };
  write_safetensors(folder.path() / "x", tensors, {});
  const Checkpoint checkpoint = Checkpoint::open(folder.path() / "x");
  const auto qkv = checkpoint.f32("blocks.0.attn.qkv.weight");
  CHECK(checkpoint.shape("blocks.0.attn.qkv.weight") == Shape{3, 2});
  CHECK(std::vector(qkv.begin(), qkv.end()) == std::vector<float>{1, 2, 3, 4, 5, 6});
  CHECK(checkpoint.raw("blocks.0.attn.qkv.weight") == nullptr);
  CHECK(checkpoint.naming() == "transformers' ViT's");
  CHECK(checkpoint.left_behind() == std::vector<std::string>{"vit.pooler.dense.weight"});
  tensors[2].shape = {2, 1};
  write_safetensors(folder.path() / "y", tensors, {});
  CHECK_THROWS_WITH_AS(Checkpoint::open(folder.path() / "y"),
                       doctest::Contains(("y: tensor " + attention + "key.weight is [2, 1]").c_str()), Error);
}

}  // namespace vitq
