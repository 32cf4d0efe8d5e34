// PyTorch checkpoints: those that torch.save wrote (tests/fixtures) value by value, and every way to lie that has been
// thought of.

#include "weights/torch_checkpoint.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "engine/error.h"
#include "tests/temporary_folder.h"
#include "tests/torch_file.h"

namespace vitq::test {
namespace {

using pickled::call;
using pickled::dict;
using pickled::global;
using pickled::tensor;
using pickled::TensorParts;
using pickled::text;
using pickled::tuple;
using pickled::whole;

constexpr std::int64_t kHuge = std::numeric_limits<std::int64_t>::max();

std::filesystem::path fixture(const std::string& name) { return std::filesystem::path(VITQ_FIXTURES) / name; }

/// The formula of tests/make_torch_fixtures.py.
float value(std::int64_t i) { return static_cast<float>(i % 97) / 64 - 0.75F; }

std::vector<float> values(const std::vector<std::int64_t>& indices) {
  std::vector<float> result;
  result.reserve(indices.size());
  for (const std::int64_t i : indices) result.push_back(value(i));
  return result;
}

std::vector<float> floats_of(const Checkpoint& checkpoint, const std::string& name) {
  const auto found = checkpoint.f32(name);
  return {found.begin(), found.end()};
}

/// The message with which the file is refused.
std::string refusal(const std::filesystem::path& path, const TorchOptions& options = {}) {
  try {
    read_torch_checkpoint(path, options);
  } catch (const Error& error) {
    std::string message = error.what();
    CHECK(message.starts_with(path.string() + ": "));
    CHECK(message.find('\n') == std::string::npos);
    return message;
  }
  return "accepted";
}

struct Here {
  void check_refused(const std::string& bytes, const std::string& words) const {
    const std::string message = refusal(folder.write("f.pth", bytes));
    CAPTURE(words);
    CAPTURE(message);
    CHECK(message.find(words) != std::string::npos);
  }
  /// A state dict of one tensor "w" and six floats, but for what is asked to lie.
  void check_tensor_refused(const std::string& tensor, const std::string& words) const {
    check_refused(torch_file(whole(dict({text("w"), tensor})), {floats({1, 2, 3, 4, 5, 6})}), words);
  }
  TemporaryFolder folder;
};

std::string good_file() {
  return torch_file(whole(dict({text("model"),
                                dict({text("w"), tensor(), text("v"),
                                      tensor({.storage = "1", .elements = 2, .size = {2}, .stride = {1}})}),
                                text("epoch"), "K\x03"})),
                    {floats({1, 2, 3, 4, 5, 6}), floats({7, 8})});
}

TEST_CASE("torch: what torch.save wrote is read value by value") {
  for (const char* name : {"types.pth", "types_protocol4.pth"}) {
    CAPTURE(name);
    REQUIRE(looks_like_torch(fixture(name)));
    std::size_t steps = 0;
    const Checkpoint checkpoint = read_torch_checkpoint(fixture(name), {.key = "", .progress = [&](std::size_t total) {
                                                                          CHECK(total == 11);
                                                                          ++steps;
                                                                        }});
    CHECK(steps == 11);
    CHECK(checkpoint.names().size() == 11);
    for (const char* type : {"float32", "float16", "bfloat16", "float64"}) {
      CHECK(checkpoint.shape(type) == Shape{2, 3});
      CHECK(floats_of(checkpoint, type) == values({0, 1, 2, 3, 4, 5}));
    }
    CHECK(checkpoint.raw("float16")->dtype == FileDType::kF16);
    CHECK(checkpoint.shape("transposed") == Shape{6, 4});
    std::vector<std::int64_t> transposed;
    std::vector<std::int64_t> permuted;
    for (std::int64_t i = 0; i < 24; ++i) {
      transposed.push_back(i % 4 * 6 + i / 4);
      permuted.push_back(i / 6 + i % 6 * 4);
    }
    CHECK(floats_of(checkpoint, "transposed") == values(transposed));
    CHECK(checkpoint.shape("permuted") == Shape{4, 2, 3});
    CHECK(floats_of(checkpoint, "permuted") == values(permuted));
    CHECK(floats_of(checkpoint, "stepped") == values({3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23}));
    CHECK(floats_of(checkpoint, "expanded") == values({5, 5, 5, 5, 5, 5}));
    CHECK(checkpoint.shape("scalar").empty());
    CHECK(floats_of(checkpoint, "scalar") == values({7}));
    CHECK(checkpoint.shape("empty") == Shape{0, 3});
    CHECK(floats_of(checkpoint, "parameter") == values({0, 1, 2, 3}));
  }
}

TEST_CASE("torch: official Swin names and one storage for all") {
  const Checkpoint checkpoint = read_torch_checkpoint(fixture("swin.pth"));
  CHECK(checkpoint.contains("layers.1.downsample.norm.weight"));
  CHECK_FALSE(checkpoint.contains("layers.0.downsample.norm.weight"));
  CHECK(checkpoint.shape("head.fc.weight") == Shape{10, 8});
  CHECK_FALSE(checkpoint.contains("layers.0.blocks.0.attn.relative_position_index"));
  CHECK_FALSE(checkpoint.contains("layers.0.blocks.0.attn_mask"));
  const auto bias = floats_of(checkpoint, "patch_embed.proj.bias");
  CHECK(bias == values({192, 193, 194, 195}));
}

TEST_CASE("torch: a key names the weights") {
  const Checkpoint ema = read_torch_checkpoint(fixture("types.pth"), {.key = "model_ema", .progress = {}});
  CHECK(ema.left_behind() == std::vector<std::string>{"model", "optimizer", "epoch", "args(argparse.Namespace)"});
  CHECK(ema.names() == std::vector<std::string>{"float32"});
  CHECK(floats_of(ema, "float32").front() == -value(0));
  CHECK(refusal(fixture("types.pth"), {.key = "ema", .progress = {}})
            .find("has no dict ema, found model, model_ema, optimizer, epoch, args") != std::string::npos);
  CHECK(refusal(fixture("types.pth"), {.key = "epoch", .progress = {}}).find("has no dict epoch") != std::string::npos);
}

TEST_CASE("torch: where the state dict may lie") {
  const Here here;
  const std::string inner = dict({text("w"), tensor()});
  const auto names_of = [&](const std::string& root) {
    return read_torch_checkpoint(here.folder.write("f.pth", torch_file(whole(root), {floats({1, 2, 3, 4, 5, 6})})))
        .names();
  };
  const std::vector<std::string> w{"w"};
  CHECK(names_of(inner) == w);
  CHECK(names_of(dict({text("model"), inner})) == w);
  CHECK(names_of(dict({text("state_dict"), dict({text("model"), inner})})) == w);
  CHECK(names_of(dict({text("model"), text("vit"), text("state_dict"), inner, text("rng"), tensor()})) == w);
  CHECK(names_of(dict({text("w"), tensor(), text("version"), "K\x02"})) == w);
  // Where an entry is called as a wrapper is but holds no tensors, it is none.
  CHECK(names_of(dict({text("w"), tensor(), text("model"), dict({text("name"), text("vit")})})) == w);
  CHECK(names_of(dict({text("state_dict"), "}", text("model"), inner})) == w);
  const auto refused = [&](const std::string& root, const std::string& words) {
    here.check_refused(torch_file(whole(root), {}), words);
  };
  refused("]", "holds no dict but a list, expected a state dict or a dict with one");
  refused(tensor(), "holds no dict but a tensor");
  refused("}", "holds no tensors that vitq knows where a state dict was expected, found nothing");
  refused(dict({text("a\x1b"), "N"}), "found \"a\\x1b\"");
  refused(dict({text("model"), dict({text("encoder"), inner})}), "found encoder");
  refused(dict({"K\x01", tensor()}), "found 1");
}

TEST_CASE("torch: tensors that lie are refused by name") {
  const Here here;
  const auto refused = [&](const TensorParts& parts, const std::string& words) {
    here.check_tensor_refused(tensor(parts), "tensor w: " + words);
  };
  refused({.elements = 5, .size = {5}, .stride = {1}}, "its storage 0 has 24 bytes, expected 5 elements of F32, 20");
  refused({.elements = 7}, "its storage 0 has 24 bytes, expected 7 elements of F32, 28");
  refused({.type = "DoubleStorage"}, "its storage 0 has 24 bytes, expected 6 elements of F64, 48");
  refused({.elements = kHuge}, "shape [9223372036854775807]: the number of bytes does not fit");
  refused({.elements = -1}, "its number of elements is not made of whole numbers from 0");
  refused({.offset = 1}, "size [2, 3] with stride [3, 1] from element 1 reaches out of its storage of 6 elements");
  refused({.offset = 6, .size = {}, .stride = {}}, "size [] with stride [] from element 6 reaches out");
  refused({.offset = -1}, "its offset is not made of whole numbers from 0");
  refused({.stride = {-3, 1}}, "its stride is not made of whole numbers from 0");
  refused({.size = {2, -3}}, "its size is not made of whole numbers from 0");
  refused({.stride = {4, 1}}, "size [2, 3] with stride [4, 1] from element 0 reaches out");
  refused({.stride = {kHuge, kHuge}}, "size [2, 3] with stride [9223372036854775807, 9223372036854775807]");
  refused({.size = {kHuge, 1}, .stride = {0, 1}}, "shape [9223372036854775807, 1]: the number of bytes does not fit");
  refused({.size = {kHuge, kHuge}, .stride = {0, 0}},
          "shape [9223372036854775807, 9223372036854775807]: the number of elements");
  here.check_tensor_refused(tensor({.size = {1000000}, .stride = {0}}),
                            "tensor w [1000000]: the tensors up to this one take more than");
  refused({.size = {6}}, "its size [6] and its stride [3, 1] are of different length");
  refused({.size = std::vector<std::int64_t>(9, 1)}, "its size has 9 dimensions, expected at most 8");
  refused({.more = "}(" + text("neg") + "\x88u"}, "found a tensor with marks (neg, conj)");
  refused({.more = "NN"}, "found a tensor of 8 parts, expected 6 or one more");
  here.check_tensor_refused(tensor({.storage = "7"}), "the zip has no entry archive/data/7");
  here.check_tensor_refused(tensor({.storage = "../version"}), "the zip has no entry archive/data/../version");
  here.check_tensor_refused(call(global("torch._utils", "_rebuild_tensor_v2"), ")"),
                            "found a tensor of 0 parts, expected 6 or one more");
  here.check_tensor_refused(call(global("torch._utils", "_rebuild_tensor_v2"), tuple({"NNNNNN"})), "found no storage");
  here.check_tensor_refused(call(global("torch._utils", "_rebuild_tensor_v2"), tuple({"NQNNNNN"})), "found no storage");
  here.check_tensor_refused(call(global("torch._utils", "_rebuild_tensor_v2"), tuple({")QNNNNN"})),
                            "no storage told as");
  here.check_refused(torch_file(whole(dict({text("w"), tensor(), text("w"), tensor()})), {floats({1, 2, 3, 4, 5, 6})}),
                     "entry w comes twice");
}

TEST_CASE("torch: strides of extents of one and of empty tensors may be anything") {
  const Here here;
  const std::string file =
      torch_file(whole(dict({text("one"), tensor({.size = {1, 6, 1}, .stride = {kHuge, 1, kHuge}}), text("column"),
                             tensor({.size = {1, 2, 1}, .stride = {kHuge, 3, kHuge}}), text("none"),
                             tensor({.offset = kHuge, .size = {kHuge, 0, kHuge}, .stride = {kHuge, kHuge, kHuge}})})),
                 {floats({1, 2, 3, 4, 5, 6})});
  const Checkpoint checkpoint = read_torch_checkpoint(here.folder.write("f.pth", file));
  CHECK(floats_of(checkpoint, "one") == std::vector<float>{1, 2, 3, 4, 5, 6});
  CHECK(floats_of(checkpoint, "column") == std::vector<float>{1, 4});
  CHECK(floats_of(checkpoint, "none").empty());
}

TEST_CASE("torch: other files are refused with what to do") {
  const Here here;
  CHECK(looks_like_torch(fixture("legacy.pth")));
  CHECK(refusal(fixture("legacy.pth")).find("before 1.6") != std::string::npos);
  CHECK(refusal(fixture("legacy.pth")).find("python3 -c \"import torch; torch.save(torch.load(") != std::string::npos);
  CHECK_FALSE(looks_like_torch(here.folder.write("s", std::string(100, '\0'))));
  CHECK_FALSE(looks_like_torch(here.folder.write("empty", "")));
  here.check_refused("", "is no PyTorch checkpoint");
  here.check_refused("PK\x03\x04", "cannot be read as one");
  here.check_refused("PK\x03\x04" + std::string(1000, 'x'), "cannot be read as one");
  here.check_refused(zip_of({{"a/x.txt", "x"}}), "is a zip without NAME/data.pkl");
  here.check_refused(zip_of({{"data.pkl", whole("}")}}), "is a zip without NAME/data.pkl");
  here.check_refused(zip_of({{"a/data.pkl", "x"}, {"b/data.pkl", "x"}}), "holds a/data.pkl and b/data.pkl");
  here.check_refused(zip_of({{"Transformer/encoder_norm/bias.npy", "x"}}), "is a NumPy archive (.npz)");
  here.check_refused(zip_of({{"a/data.pkl", "x"}, {"a/constants.pkl", "x"}}), "is a TorchScript archive");
  here.check_refused(zip_of({{"a/data.pkl", whole("}")}, {"a/byteorder", "big"}}), "byte order is big");
  here.check_refused(zip_of({{"a/data.pkl", whole("}")}, {"a/byteorder", std::string(99, 'l')}}), "byte order is");
  here.check_refused(zip_of({{"a/data.pkl", whole("}")}, {"a/byteorder", "little"}}), "holds no tensors");
  here.check_refused(zip_of({{"a/data.pkl", whole("}"), 8}}), "is compressed or encrypted");
  here.check_refused(zip_of({{"a/data.pkl", whole("}")}, {"a/data.pkl", whole("}")}}), "comes twice");
  here.check_refused(torch_file(whole(call(global("os", "system"), tuple({text("touch hacked")}))), {}),
                     "holds no dict but an object made by os.system, expected a state dict or a dict with one; nothing "
                     "of the file was run");
  CHECK_FALSE(std::filesystem::exists("hacked"));
}

TEST_CASE("torch: entries that claim each other's bytes are refused") {
  const Here here;
  std::string file = zip_of({{"a/data.pkl", whole("}")}, {"a/data/0", std::string(1000, 'x')}});
  // Both directory entries made to point at the larger one's bytes.
  const std::size_t second = file.rfind("PK\x01\x02");
  const std::size_t first = file.rfind("PK\x01\x02", second - 1);
  constexpr std::size_t kCrc = 16;
  constexpr std::size_t kOffset = 42;
  std::copy_n(file.begin() + static_cast<std::ptrdiff_t>(second + kCrc), 12,
              file.begin() + static_cast<std::ptrdiff_t>(first + kCrc));
  std::copy_n(file.begin() + static_cast<std::ptrdiff_t>(second + kOffset), 4,
              file.begin() + static_cast<std::ptrdiff_t>(first + kOffset));
  here.check_refused(file, "claim more bytes than the");
}

TEST_CASE("torch: a damaged storage is seen by its checksum") {
  const Here here;
  std::string file = good_file();
  const std::size_t at = file.find(floats({7, 8}));
  file[at] = static_cast<char>(file[at] ^ 1);
  here.check_refused(file, "archive/data/1 cannot be read: CRC error");
}

TEST_CASE("torch: cut short at any byte it is refused") {
  const Here here;
  const std::string good = good_file();
  REQUIRE(refusal(here.folder.write("f.pth", good)) == "accepted");
  for (std::size_t size = 0; size < good.size(); ++size) {
    CAPTURE(size);
    CHECK(refusal(here.folder.write("f.pth", good.substr(0, size))) != "accepted");
  }
}

TEST_CASE("torch: with a bit of any byte flipped it is read or refused") {
  const Here here;
  const std::string good = good_file();
  int refused = 0;
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string bytes = good;
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << at % 8));
    refused += refusal(here.folder.write("f.pth", bytes)) != "accepted" ? 1 : 0;
  }
  // The rest lies in what nobody reads: dates, versions, the copies of names in local headers.
  CHECK(refused > static_cast<int>(good.size() / 2));
}

}  // namespace
}  // namespace vitq::test
