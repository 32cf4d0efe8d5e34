// What a PyTorch checkpoint may hold beside tensors that vitq knows: anything. It is left behind by name and never run,
// and what is said to do about a file without a state dict can be done.

#include <doctest/doctest.h>

#include <cstdint>
#include <filesystem>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/temporary_folder.h"
#include "tests/torch_file.h"
#include "weights/names.h"
#include "weights/torch_checkpoint.h"
#include "weights/torch_pickle.h"

namespace vitq::test {
namespace {

using pickled::call;
using pickled::dict;
using pickled::global;
using pickled::tensor;
using pickled::text;
using pickled::tuple;
using pickled::whole;
using Strings = std::vector<std::string>;

/// A file with this object and six floats.
struct Here {
  [[nodiscard]] std::filesystem::path file(const std::string& root) const {
    return folder.write("f.pth", torch_file(whole(root), {floats({1, 2, 3, 4, 5, 6})}));
  }
  [[nodiscard]] Checkpoint read(const std::string& root) const { return read_torch_checkpoint(file(root)); }
  /// The message with which it is refused.
  [[nodiscard]] std::string refusal(const std::string& root, const std::string& key = "") const {
    try {
      read_torch_checkpoint(file(root), {.key = key, .progress = {}});
    } catch (const Error& error) {
      std::string message = error.what();
      CHECK(message.find('\n') == std::string::npos);
      return message;
    }
    return "accepted";
  }
  void check_refused(const std::string& root, const std::string& words) const {
    const std::string message = refusal(root);
    CAPTURE(words);
    CAPTURE(message);
    CHECK(message.find(words) != std::string::npos);
  }
  void check_tensor_refused(const std::string& tensor, const std::string& words) const {
    check_refused(dict({text("w"), tensor}), words);
  }
  TemporaryFolder folder;
};

/// Tensor w, as 2 x 3 numbers from 1 to 6.
void check_weights(const Checkpoint& found) {
  const auto values = found.f32("w");
  CHECK(found.shape("w") == Shape{2, 3});
  CHECK(std::vector<float>(values.begin(), values.end()) == std::vector<float>{1, 2, 3, 4, 5, 6});
}

/// Calls with their arguments, by "module", "name".
std::string call_of(std::string_view module, std::string_view name, const Strings& arguments = {}) {
  return call(global(module, name), tuple(arguments));
}
std::string rebuilt(std::string_view name, const Strings& arguments) {
  return call_of("torch._utils", name, arguments);
}
std::string storage(std::string_view module, std::string_view type, std::int64_t elements) {
  return tuple({text("storage"), global(module, type), text("0"), text("cpu"), pickled::integer(elements)}) + 'Q';
}

TEST_CASE("torch: whatever stands beside the weights is left behind by name") {
  const Here here;
  const std::vector<std::pair<std::string, std::string>> beside = {
      {"N", ""},
      {"C\x01z", ""},
      {"\x8f(K\x01\x90", ""},
      {"\x8a\x09zzzzzzzzz", ""},
      {global("torch", "float32"), "(torch.float32)"},
      {global("train", "<lambda>"), "(train.<lambda>)"},
      {call_of("torch", "device", {text("cpu")}), "(torch.device)"},
      {call_of("torch", "Size", {tuple({"K\x03"})}), "(torch.Size)"},
      {call_of("pathlib", "PosixPath", {text("/")}), "(pathlib.PosixPath)"},
      {call_of("_codecs", "encode", {text("a"), text("latin1")}), "(_codecs.encode)"},
      {call_of("__builtin__", "set", {"](NNe"}), "(__builtin__.set)"},
      {call_of("numpy.core.multiarray", "scalar",
               {call_of("numpy", "dtype", {text("f8"), "\x89\x88"}) + tuple({"K\x03"}) + 'b', text("x")}),
       "(numpy.core.multiarray.scalar)"},
      {call_of("numpy._core.multiarray", "_reconstruct", {global("numpy", "ndarray")}) + tuple({"NN"}) + 'b',
       "(numpy._core.multiarray._reconstruct)"},
      {global("argparse", "Namespace") + ")\x81}(" + text("lr") + "K\x01ub", "(argparse.Namespace)"},
      {global("omegaconf.dictconfig", "DictConfig") + ")\x81}b", "(omegaconf.dictconfig.DictConfig)"},
      {call_of("functools", "partial", {global("torch", "load")}) + tuple({global("torch", "load"), ")", "}", "N"}) +
           'b',
       "(functools.partial)"},
      {global("train", "Config") + ")}(" + text("lr") + "K\x01u\x92", "(train.Config)"},
      {call_of("collections", "Counter", {"}"}), ""},
      {call_of("collections", "deque") + "(NNe", "(collections.deque)"},
      {call(call_of("__builtin__", "getattr", {global("zoneinfo", "ZoneInfo"), text("_unpickle")}), ")"),
       "(__builtin__.getattr)"},
      {call_of("os", "system", {text("touch hacked")}), "(os.system)"},
      {"(" + text("touch hacked") + "ios\nsystem\n", "(os.system)"},
      {global("\x1b[31m", "x"), "(\x1b[31m.x)"},
      {dict({text("nested"), call_of("os", "system", {text("touch hacked")})}), ""},
  };
  const std::string state = dict({text("w"), tensor()});
  for (const auto& [object, class_told] : beside) {
    const std::string told = "beside" + class_told;
    CAPTURE(told);
    for (const std::string& root :
         {dict({text("model"), state, text("beside"), object}), dict({text("beside"), object, text("w"), tensor()})}) {
      const Checkpoint found = here.read(root);
      check_weights(found);
      CHECK(found.left_behind() == Strings{told});
    }
  }
  CHECK_FALSE(std::filesystem::exists("hacked"));
  const Checkpoint all =
      here.read(dict({text("epoch"), "K\x01", text("model"),
                      dict({text("w"), tensor(), "K\x05", tensor(), "\x88", "N", text("a b"), "N"})}));
  CHECK(all.left_behind() == Strings{"5", "(unnamed)", "a b", "epoch"});
  CHECK(here.read(dict({text("model"), state, text("net"), state})).left_behind() == Strings{"net"});
}

TEST_CASE("torch: tensors outside of the model and buffers are told apart") {
  const Here here;
  const std::string patches = "patch_embed.proj.weight";
  const std::string state =
      dict({text("a." + patches), tensor(), text("b." + patches), tensor({.size = {6}, .stride = {1}}),
            text("a.attn_mask"), tensor({.size = {3, 2}, .stride = {2, 1}}), text("step"), "K\x05"});
  const auto path = here.file(dict({text("epoch"), "K\x01", text("model"), state}));
  const Checkpoint a = read_torch_checkpoint(path, {.wrapper = "a."});
  CHECK(a.names() == Strings{patches});
  CHECK(a.shape(patches) == Shape{2, 3});
  REQUIRE(a.buffer("attn_mask") != nullptr);
  CHECK(*a.buffer("attn_mask") == Shape{3, 2});
  CHECK(a.left_behind() == Strings{"step", "b." + patches, "epoch"});
  CHECK(read_torch_checkpoint(path, {.wrapper = "b."}).shape(patches) == Shape{6});
  CHECK_THROWS_AS((void)read_torch_checkpoint(path), const SeveralModels&);
}

TEST_CASE("torch: dicts that hold each other, or a name twice") {
  const Here here;
  const std::string weights = text("w") + tensor();
  const Checkpoint itself = here.read("}q\x01(" + text("model") + "h\x01" + weights + 'u');
  CHECK(itself.left_behind() == Strings{"model"});
  const Checkpoint other = here.read("}q\x01(" + text("model") + "}(" + text("model") + "h\x01" + weights + "uu");
  CHECK(other.left_behind() == Strings{"model"});
  here.check_refused("}q\x01(" + text("model") + "h\x01" + text("net") + "h\x01u", "found model, net");
  here.check_refused(dict({text("w"), tensor(), text("w"), "N"}), ": entry w comes twice");
  here.check_refused(dict({text("epoch"), "N", text("epoch"), "N", text("model"), dict({weights})}),
                     ": entry epoch comes twice");
  here.check_tensor_refused(tensor({.storage = std::string(257, '1')}), "found no storage told as");
}

TEST_CASE("torch: a state dict may be of any class that is a dict") {
  const Here here;
  const std::string set = "(" + text("w") + tensor() + 'u';
  const Strings dicts = {
      pickled::ordered_dict() + set + "}(" + text("_metadata") + "Nub",
      call_of("collections", "defaultdict", {global("__builtin__", "list")}) + set,
      call_of("collections", "Counter", {"}" + set}),
      call_of("train", "StateDict") + set,
      global("easydict", "EasyDict") + ")\x81" + set + "}" + set + 'b',
      "(" + text("w") + tensor() + 'd',
  };
  for (const std::string& state : dicts) {
    CAPTURE(state);
    for (const std::string& root : {state, dict({text("model"), state})}) {
      const Checkpoint found = here.read(root);
      check_weights(found);
      CHECK(found.left_behind().empty());
    }
  }
  // What a function that nobody knows makes of a dict is not that dict.
  here.check_refused(call_of("train", "scaled", {dict({text("w"), tensor()})}),
                     "holds no dict but an object made by train.scaled");
}

TEST_CASE("torch: every call that makes a tensor of a storage is known") {
  const Here here;
  const std::string plain = tensor();
  const std::string size = pickled::integers({2, 3});
  const std::string stride = pickled::integers({3, 1});
  const std::string typed = storage("torch", "FloatStorage", 6);
  const std::string bytes = storage("torch.storage", "UntypedStorage", 24);
  const std::string attributes = dict({text("tag"), call_of("train", "Tag")});
  const std::string zero("K\0", 2);
  const std::string arguments = tuple({typed, zero, size, stride, "\x89", pickled::ordered_dict()});
  const auto v3 = [&](const std::string& from, const std::string& more) {
    return rebuilt("_rebuild_tensor_v3",
                   {from, zero, size, stride, "\x89", pickled::ordered_dict(), global("torch", "float32"), more});
  };
  const std::string subclass =
      call_of("torch._tensor", "_rebuild_from_type_v2",
              {global("torch._utils", "_rebuild_tensor_v2"), global("train", "Mask"), arguments, attributes});
  const Strings tensors = {
      plain,
      rebuilt("_rebuild_tensor", {typed, zero, size, stride}),
      v3(bytes, ""),
      v3(bytes, "}"),
      v3(typed, ""),
      rebuilt("_rebuild_parameter", {plain, "\x88", pickled::ordered_dict()}),
      rebuilt("_rebuild_parameter_with_state", {plain, "\x88", pickled::ordered_dict(), attributes}),
      subclass,
      rebuilt("_rebuild_parameter", {subclass, "\x88", pickled::ordered_dict()}),
      call_of("torch._tensor", "_rebuild_from_type_v2",
              {global("torch._utils", "_rebuild_parameter"), global("train", "Weight"),
               tuple({plain, "\x88", pickled::ordered_dict()}), "N"}),
  };
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    CAPTURE(i);
    check_weights(here.read(dict({text("w"), tensors[i]})));
  }
  here.check_tensor_refused(v3(bytes, "}(" + text("neg") + "\x88u"), "found a tensor with marks");
  here.check_tensor_refused(v3(storage("torch.storage", "UntypedStorage", 23), ""),
                            "its storage of 23 bytes is no whole number of F32");
  here.check_tensor_refused(v3(storage("torch.storage", "UntypedStorage", 20), ""),
                            "reaches out of its storage of 5 elements");
  here.check_tensor_refused(v3(storage("torch", "DoubleStorage", std::numeric_limits<std::int64_t>::max()), ""),
                            "the number of bytes does not fit");
  here.check_tensor_refused(rebuilt("_rebuild_tensor_v3", {bytes, zero, size, stride, "NN", text("torch.float32")}),
                            "a tensor without a type");
  here.check_tensor_refused(rebuilt("_rebuild_tensor", {typed, zero, size, stride, "\x89"}),
                            "found a tensor of 5 parts, expected 4");
}

TEST_CASE("torch: a tensor of unknown make or type is left behind by name") {
  const Here here;
  const std::string ordered = pickled::ordered_dict();
  std::string deep = tensor();
  for (int i = 0; i < 100; ++i) deep = rebuilt("_rebuild_parameter", {deep, "\x88", ordered});
  const std::string zero("K\0", 2);
  const std::vector<std::pair<std::string, std::string>> unknown = {
      {rebuilt("_rebuild_qtensor", {storage("torch", "QInt8Storage", 6)}), "torch._utils._rebuild_qtensor"},
      {rebuilt("_rebuild_sparse_tensor", {global("torch", "sparse_coo"), tuple({tensor()})}),
       "torch._utils._rebuild_sparse_tensor"},
      {rebuilt("_rebuild_parameter", {rebuilt("_rebuild_qtensor", {}), "\x88", ordered}),
       "torch._utils._rebuild_qtensor"},
      {rebuilt("_rebuild_parameter", {"N", "\x88", ordered}), "torch._utils._rebuild_parameter"},
      {rebuilt("_rebuild_parameter", {}), "torch._utils._rebuild_parameter"},
      {call_of("torch._tensor", "_rebuild_from_type_v2",
               {global("torch._utils", "_rebuild_wrapper_subclass"), global("train", "Packed"), tuple({}), "N"}),
       "torch._utils._rebuild_wrapper_subclass"},
      {tensor({.type = "ComplexFloatStorage"}), "torch.ComplexFloatStorage"},
      {rebuilt("_rebuild_tensor_v3", {storage("torch.storage", "UntypedStorage", 24), zero, pickled::integers({24}),
                                      pickled::integers({1}), "\x89", ordered, global("torch", "bits8")}),
       "torch.bits8"},
      {tensor() + "}b", "torch._utils._rebuild_tensor_v2"},  // who knows what its state makes of it
      {tensor() + "(NNu", "torch._utils._rebuild_tensor_v2"},
      {deep, "torch._utils._rebuild_parameter"},
  };
  for (const auto& [object, name] : unknown) {
    const std::string told = "(" + name + ")";
    CAPTURE(told);
    const Checkpoint found = here.read(dict({text("w"), tensor(), text("q"), object}));
    CHECK(found.names() == Strings{"w"});
    CHECK(found.left_behind() == Strings{"q" + told});
    here.check_tensor_refused(object,
                              "holds no tensors that vitq knows where a state dict was expected, found w" + told);
  }
}

TEST_CASE("torch: what is said to do about a file without a state dict can be done") {
  const Here here;
  const std::string state = dict({text("w"), tensor()});
  const std::string model =
      global("train", "Net") + ")\x81" + dict({text("training"), "\x88", text("_modules"), "}"}) + 'b';
  const std::string advice =
      "is a whole model, an object made by train.Net, expected its state dict; nothing of the file was run. Where it "
      "is to be trusted, load it in PyTorch and save its state_dict()";
  CHECK(here.refusal(model).ends_with(": " + advice));
  CHECK(here.refusal(dict({text("epoch"), "K\x01", text("model"), model})).ends_with(": its entry model " + advice));
  CHECK(here.refusal(dict({text("model"), model}), "model").ends_with(": its entry model " + advice));
  here.check_refused(call_of("torch.fx.graph_module", "reduce_graph_module", {dict({text("_modules"), "}"}), "N"}),
                     "is a whole model");
  CHECK(here.refusal(dict({text("model"), model, text("state_dict"), state})) == "accepted");

  const std::string several = dict(
      {text("net"), state, text("epoch"), "K\x01", text("ema"), dict({text("model"), state}), text("model"), model});
  CHECK(
      here.refusal(several).ends_with(": holds no tensors that vitq knows where a state dict was expected; there are "
                                      "some in net, ema; name the entry that holds the weights"));
  CHECK_THROWS_AS((void)here.read(several), const NoStateDict&);
  CHECK(here.refusal(several, "net") == "accepted");
  CHECK(here.refusal(several, "ema") == "accepted");
  // No name helps where none of the entries leads to tensors.
  for (const std::string& root : {std::string("}"), dict({text("model"), dict({text("encoder"), state})})}) {
    CHECK(here.refusal(root).find("name the entry") == std::string::npos);
  }
}

}  // namespace
}  // namespace vitq::test
