#include "weights/torch_pickle.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "engine/error.h"
#include "weights/pickle.h"
#include "weights/printable.h"

namespace vitq {
namespace {

using Kind = PickleNode::Kind;
using Nodes = std::span<const PickleNode* const>;

constexpr std::string_view kTensor = "torch._utils._rebuild_tensor_v2";
constexpr std::string_view kParameter = "torch._utils._rebuild_parameter";
constexpr std::string_view kOrderedDict = "collections.OrderedDict";

/// All that a pickle may name. The last two are settings that DeiT's and Swin's own recipes store beside the weights;
/// they stay closed.
constexpr std::array<std::string_view, 15> kGlobals = {
    kTensor,
    kParameter,
    kOrderedDict,
    "torch.DoubleStorage",
    "torch.FloatStorage",
    "torch.HalfStorage",
    "torch.BFloat16Storage",
    "torch.LongStorage",
    "torch.IntStorage",
    "torch.ShortStorage",
    "torch.CharStorage",
    "torch.ByteStorage",
    "torch.BoolStorage",
    "argparse.Namespace",
    "yacs.config.CfgNode",
};

struct StorageType {
  std::string_view name;
  FileDType dtype;
};

constexpr std::array<StorageType, 10> kStorageTypes = {{
    {"torch.DoubleStorage", FileDType::kF64},
    {"torch.FloatStorage", FileDType::kF32},
    {"torch.HalfStorage", FileDType::kF16},
    {"torch.BFloat16Storage", FileDType::kBF16},
    {"torch.LongStorage", FileDType::kI64},
    {"torch.IntStorage", FileDType::kI32},
    {"torch.ShortStorage", FileDType::kI16},
    {"torch.CharStorage", FileDType::kI8},
    {"torch.ByteStorage", FileDType::kU8},
    {"torch.BoolStorage", FileDType::kBool},
}};

bool is_call_of(const PickleNode& node, std::string_view global) {
  return node.kind == Kind::kCall && node.items[0]->text == global;
}

Nodes arguments(const PickleNode& call) { return call.items[1]->items; }

bool is_dict(const PickleNode& node) { return node.kind == Kind::kDict || is_call_of(node, kOrderedDict); }

/// key, value, key, value, ...
Nodes entries(const PickleNode& dict) {
  constexpr std::size_t kCalleeAndArguments = 2;
  return Nodes(dict.items).subspan(dict.kind == Kind::kDict ? 0 : kCalleeAndArguments);
}

bool is_tensor(const PickleNode& node) { return is_call_of(node, kTensor) || is_call_of(node, kParameter); }

/// The last value of that key, as in Python; null where there is none.
const PickleNode* find(const PickleNode& dict, std::string_view key) {
  const Nodes items = entries(dict);
  for (std::size_t i = items.size(); i > 0; i -= 2) {
    if (items[i - 2]->kind == Kind::kString && items[i - 2]->text == key) return items[i - 1];
  }
  return nullptr;
}

/// "epoch, model_ema", for an error message.
std::string list_keys(const PickleNode& dict) {
  constexpr std::size_t kMost = 8;
  std::string text;
  std::size_t count = 0;
  const Nodes items = entries(dict);
  for (std::size_t i = 0; i < items.size(); i += 2) {
    if (items[i]->kind != Kind::kString) continue;
    if (++count > kMost) return text + ", ...";
    text += (text.empty() ? "" : ", ") + printable(items[i]->text);
  }
  return text.empty() ? "nothing" : text;
}

/// The dict of tensors: `root` or what it wraps.
const PickleNode& find_state_dict(const PickleNode& root, const std::string& key, const std::string& source) {
  check(is_dict(root), ErrorCode::kFormat, source, ": holds no dict, expected a state dict or a dict with one");
  const PickleNode* dict = &root;
  if (!key.empty()) {
    dict = find(root, key);
    check(dict != nullptr && is_dict(*dict), source, ": has no dict ", printable(key), ", found ", list_keys(root));
  }
  constexpr int kMostWrappers = 4;
  for (int depth = 0; depth < kMostWrappers; ++depth) {
    const PickleNode* inner = nullptr;
    for (const std::string_view wrapper : {"state_dict", "model"}) {
      const PickleNode* candidate = find(*dict, wrapper);
      if (inner == nullptr && candidate != nullptr && is_dict(*candidate)) inner = candidate;
    }
    if (inner == nullptr) break;
    dict = inner;
  }
  const Nodes items = entries(*dict);
  const bool has_tensors = std::ranges::any_of(items, [](const PickleNode* node) { return is_tensor(*node); });
  if (has_tensors) return *dict;
  throw NoStateDict(ErrorCode::kFormat,
                    text_of(source, ": holds no tensors where a state dict was expected, found ", list_keys(*dict),
                            key.empty() ? "; name the entry that holds the weights" : ""));
}

/// What makes up one tensor, read and checked; `where` begins its errors.
class TensorReader {
 public:
  explicit TensorReader(std::string where) : where_(std::move(where)) {}

  TorchTensor read(const PickleNode& node) const {
    if (is_call_of(node, kParameter)) {
      const Nodes wrapped = arguments(node);
      require(!wrapped.empty() && is_call_of(*wrapped[0], kTensor), "a parameter without a tensor");
      return read(*wrapped[0]);
    }
    const Nodes parts = arguments(node);
    constexpr std::size_t kLeast = 6;  // storage, offset, size, stride, requires_grad, hooks
    require(parts.size() == kLeast || parts.size() == kLeast + 1, "a tensor of not 6 or 7 parts");
    // The seventh says that the values are to be negated or conjugated when read.
    require(parts.size() == kLeast || parts[kLeast]->kind == Kind::kNone ||
                (is_dict(*parts[kLeast]) && entries(*parts[kLeast]).empty()),
            "a tensor with marks (neg, conj), which vitq does not know; save a clone() of it");
    TorchTensor tensor;
    read_storage(*parts[0], tensor);
    tensor.offset = integer(*parts[1], "offset");
    tensor.shape = integers(*parts[2], "size");
    tensor.strides = integers(*parts[3], "stride");
    check_inside(tensor);
    return tensor;
  }

 private:
  void require(bool ok, const char* found) const { check(ok, ErrorCode::kFormat, where_, "found ", found); }

  std::int64_t integer(const PickleNode& node, const char* what) const {
    check(node.kind == Kind::kInteger && node.integer >= 0, ErrorCode::kFormat, where_, "its ", what,
          " is not made of whole numbers from 0");
    return node.integer;
  }

  std::vector<std::int64_t> integers(const PickleNode& node, const char* what) const {
    constexpr std::size_t kMostDimensions = 8;
    check(node.kind == Kind::kTuple, ErrorCode::kFormat, where_, "its ", what, " is no tuple");
    check(node.items.size() <= kMostDimensions, ErrorCode::kFormat, where_, "its ", what, " has ", node.items.size(),
          " dimensions, expected at most ", kMostDimensions);
    std::vector<std::int64_t> values;
    for (const PickleNode* item : node.items) values.push_back(integer(*item, what));
    return values;
  }

  /// ('storage', torch.FloatStorage, '0', 'cpu', elements).
  void read_storage(const PickleNode& node, TorchTensor& tensor) const {
    require(node.kind == Kind::kPersistent && node.items[0]->kind == Kind::kTuple, "no storage");
    const Nodes id = node.items[0]->items;
    constexpr std::size_t kParts = 5;
    require(
        id.size() == kParts && id[0]->text == "storage" && id[1]->kind == Kind::kGlobal && id[2]->kind == Kind::kString,
        "a storage that is not told as (storage, type, key, location, elements)");
    const auto* type = std::ranges::find(kStorageTypes, id[1]->text, &StorageType::name);
    check(type != kStorageTypes.end(), ErrorCode::kFormat, where_, "its storage is of the type ",
          printable(id[1]->text));
    tensor.dtype = type->dtype;
    tensor.storage = id[2]->text;
    tensor.storage_elements = integer(*id[4], "number of elements");
  }

  void check_inside(TorchTensor& tensor) const {
    const auto refuse = [&] {
      fail(ErrorCode::kFormat, where_, "size ", to_string(tensor.shape), " with stride ", to_string(tensor.strides),
           " from element ", tensor.offset, " reaches out of its storage of ", tensor.storage_elements, " elements");
    };
    check(tensor.strides.size() == tensor.shape.size(), ErrorCode::kFormat, where_, "its size ",
          to_string(tensor.shape), " and its stride ", to_string(tensor.strides), " are of different length");
    try {
      byte_count(tensor.dtype, tensor.shape);
      byte_count(tensor.dtype, {tensor.storage_elements});
    } catch (const Error& error) {
      fail(ErrorCode::kFormat, where_, error.what());
    }
    if (element_count(tensor.shape) == 0) return;
    if (tensor.offset >= tensor.storage_elements) refuse();
    std::int64_t room = tensor.storage_elements - 1 - tensor.offset;  // from the first element to the storage's last
    for (std::size_t axis = 0; axis < tensor.shape.size(); ++axis) {
      const std::int64_t steps = tensor.shape[axis] - 1;
      if (steps == 0) tensor.strides[axis] = 0;  // never gone, and may be any number
      if (steps == 0) continue;
      if (tensor.strides[axis] > room / steps) refuse();
      room -= tensor.strides[axis] * steps;
    }
  }

  std::string where_;
};

}  // namespace

bool TorchTensor::is_contiguous() const {
  if (std::ranges::find(shape, 0) != shape.end()) return true;
  std::int64_t expected = 1;
  for (std::size_t axis = shape.size(); axis > 0; --axis) {
    if (shape[axis - 1] != 1 && strides[axis - 1] != expected) return false;
    expected *= shape[axis - 1];
  }
  return true;
}

std::vector<TorchTensor> read_torch_pickle(std::span<const std::uint8_t> bytes, const std::string& key,
                                           const std::string& source) {
  const Pickle pickle(bytes, kGlobals, source + ": data.pkl");
  const Nodes items = entries(find_state_dict(pickle.root(), key, source));
  std::vector<TorchTensor> tensors;
  for (std::size_t i = 0; i < items.size(); i += 2) {
    if (!is_tensor(*items[i + 1])) continue;
    check(items[i]->kind == Kind::kString, ErrorCode::kFormat, source,
          ": a tensor of the state dict is not named by a string");
    const std::string& name = items[i]->text;
    tensors.push_back(TensorReader(source + ": tensor " + printable(name) + ": ").read(*items[i + 1]));
    tensors.back().name = name;
  }
  return tensors;
}

}  // namespace vitq
