#include "weights/torch_tensor.h"

#include <algorithm>
#include <array>
#include <optional>
#include <span>

#include "engine/error.h"
#include "weights/pickle_calls.h"
#include "weights/printable.h"

namespace vitq {
namespace {

using Kind = PickleNode::Kind;

struct NamedType {
  std::string_view name;
  FileDType dtype;
};

constexpr std::array<NamedType, 12> kStorageTypes = {{
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
    {"torch.storage.UntypedStorage", FileDType::kU8},
    {"torch.UntypedStorage", FileDType::kU8},
}};

/// What _rebuild_tensor_v3 says itself, for its storages are bytes.
constexpr std::array<NamedType, 16> kTypes = {{
    {"torch.float64", FileDType::kF64},
    {"torch.float32", FileDType::kF32},
    {"torch.float16", FileDType::kF16},
    {"torch.bfloat16", FileDType::kBF16},
    {"torch.int64", FileDType::kI64},
    {"torch.int32", FileDType::kI32},
    {"torch.int16", FileDType::kI16},
    {"torch.int8", FileDType::kI8},
    {"torch.uint64", FileDType::kU64},
    {"torch.uint32", FileDType::kU32},
    {"torch.uint16", FileDType::kU16},
    {"torch.uint8", FileDType::kU8},
    {"torch.bool", FileDType::kBool},
    {"torch.float8_e4m3fn", FileDType::kF8E4M3},
    {"torch.float8_e5m2", FileDType::kF8E5M2},
    {"torch.float8_e8m0fnu", FileDType::kF8E8M0},
}};

std::optional<FileDType> find_type(std::span<const NamedType> types, std::string_view name) {
  const auto found = std::ranges::find(types, name, &NamedType::name);
  if (found == types.end()) return std::nullopt;
  return found->dtype;
}

/// A function that makes a tensor of (storage, offset, size, stride, ...).
struct Make {
  std::string_view function;
  std::size_t parts;
  std::optional<std::size_t> dtype = {};  ///< which part says the type; else the storage's type is the tensor's
  bool may_have_marks = true;             ///< one part more: whether values are to be negated or conjugated
};

constexpr std::size_t kDTypePart = 6;
constexpr std::array<Make, 3> kMakes = {{
    {.function = "torch._utils._rebuild_tensor", .parts = 4, .may_have_marks = false},
    {.function = "torch._utils._rebuild_tensor_v2", .parts = 6},
    {.function = "torch._utils._rebuild_tensor_v3", .parts = 7, .dtype = kDTypePart},
}};

/// A call as it stands in the file, or as _rebuild_from_type_v2 is told of it.
struct Call {
  std::string_view function;
  PickleNodes arguments;
};

/// Nothing where `node` is no call, or something was done to its result: nobody knows what it is then.
Call plain_call(const PickleNode& node) {
  constexpr std::size_t kCalleeAndArguments = 2;
  if (called_name(node).empty() || node.items.size() != kCalleeAndArguments || node.state != nullptr) return {};
  return {called_name(node), call_arguments(node)};
}

/// The call inside of what makes a parameter, or another class, of a tensor. Attributes that are set on it are not its
/// values.
Call innermost_call(const PickleNode& node) {
  constexpr int kMostWrappers = 8;
  Call call = plain_call(node);
  for (int depth = 0; depth < kMostWrappers; ++depth) {
    const bool is_parameter = call.function == "torch._utils._rebuild_parameter" ||
                              call.function == "torch._utils._rebuild_parameter_with_state";
    if (is_parameter && !call.arguments.empty()) {
      call = plain_call(*call.arguments[0]);  // (data, requires_grad, hooks[, state])
    } else if (call.function == "torch._tensor._rebuild_from_type_v2" && call.arguments.size() == 4) {
      const PickleNode& function = *call.arguments[0];  // (function, class, arguments, state)
      const PickleNode& arguments = *call.arguments[2];
      if (function.kind != Kind::kGlobal || arguments.kind != Kind::kTuple) return {};
      call = {function.text, arguments.items};
    } else {
      break;
    }
  }
  return call;
}

const Make* find_make(const Call& call) {
  const auto* found = std::ranges::find(kMakes, call.function, &Make::function);
  return found == kMakes.end() ? nullptr : found;
}

/// ('storage', torch.FloatStorage, '0', 'cpu', elements); empty where it is told in another way.
PickleNodes storage_parts(const PickleNode& node) {
  constexpr std::size_t kParts = 5;
  constexpr std::size_t kLongestKey = 256;  // PyTorch numbers its storages
  if (node.kind != Kind::kPersistent || node.items[0]->kind != Kind::kTuple) return {};
  const PickleNodes id = node.items[0]->items;
  const bool is_told = id.size() == kParts && id[0]->kind == Kind::kString && id[0]->text == "storage" &&
                       id[1]->kind == Kind::kGlobal && id[2]->kind == Kind::kString &&
                       id[2]->text.size() <= kLongestKey;
  return is_told ? id : PickleNodes();
}

/// The name of a type of the tensor's, or its storage's, that vitq does not know; empty where it knows both.
std::string_view unknown_type(const Make& make, PickleNodes parts) {
  const PickleNodes storage = parts.empty() ? PickleNodes() : storage_parts(*parts[0]);
  if (!storage.empty() && !find_type(kStorageTypes, storage[1]->text)) return storage[1]->text;
  if (!make.dtype || parts.size() <= *make.dtype || parts[*make.dtype]->kind != Kind::kGlobal) return {};
  const std::string_view dtype = parts[*make.dtype]->text;
  return find_type(kTypes, dtype) ? std::string_view() : dtype;
}

/// What makes up one tensor, read and checked; `where` begins its errors.
class TensorReader {
 public:
  explicit TensorReader(std::string where) : where_(std::move(where)) {}

  [[nodiscard]] TorchTensor read(const Make& make, PickleNodes parts) const {
    const bool has_marks = make.may_have_marks && parts.size() == make.parts + 1;
    check(parts.size() == make.parts || has_marks, ErrorCode::kFormat, where_, "found a tensor of ", parts.size(),
          " parts, expected ", make.parts, make.may_have_marks ? " or one more" : "");
    if (has_marks) check_marks(*parts.back());
    TorchTensor tensor;
    read_storage(*parts[0], make.dtype ? parts[*make.dtype] : nullptr, tensor);
    tensor.offset = integer(*parts[1], "offset");
    tensor.shape = integers(*parts[2], "size");
    tensor.strides = integers(*parts[3], "stride");
    check_inside(tensor);
    return tensor;
  }

 private:
  void require(bool ok, const char* found) const { check(ok, ErrorCode::kFormat, where_, "found ", found); }

  void check_marks(const PickleNode& marks) const {
    require(marks.kind == Kind::kNone || (is_dict(marks) && dict_entries(marks).empty()),
            "a tensor with marks (neg, conj), which vitq does not know; save a clone() of it");
  }

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

  /// dtype: null where the storage's type is the tensor's.
  void read_storage(const PickleNode& node, const PickleNode* dtype, TorchTensor& tensor) const {
    const PickleNodes storage = storage_parts(node);
    require(!storage.empty(), "no storage told as (storage, type, key, location, elements)");
    tensor.dtype = known(find_type(kStorageTypes, storage[1]->text));
    tensor.storage = storage[2]->text;
    tensor.storage_elements = integer(*storage[4], "number of elements");
    if (dtype == nullptr) return;
    const std::int64_t bytes = bytes_of(tensor.dtype, {tensor.storage_elements});
    require(dtype->kind == Kind::kGlobal, "a tensor without a type");
    tensor.dtype = known(find_type(kTypes, dtype->text));
    const std::int64_t size = dtype_bits(tensor.dtype) / 8;
    check(bytes % size == 0, ErrorCode::kFormat, where_, "its storage of ", bytes, " bytes is no whole number of ",
          dtype_name(tensor.dtype));
    tensor.storage_elements = bytes / size;
  }

  [[nodiscard]] FileDType known(std::optional<FileDType> type) const {
    require(type.has_value(), "a tensor of an unknown type");
    return *type;
  }

  std::int64_t bytes_of(FileDType dtype, const Shape& shape) const {
    try {
      return byte_count(dtype, shape);
    } catch (const Error& error) {
      fail(ErrorCode::kFormat, where_, error.what());
    }
  }

  void check_inside(TorchTensor& tensor) const {
    const auto refuse = [&] {
      fail(ErrorCode::kFormat, where_, "size ", to_string(tensor.shape), " with stride ", to_string(tensor.strides),
           " from element ", tensor.offset, " reaches out of its storage of ", tensor.storage_elements, " elements");
    };
    check(tensor.strides.size() == tensor.shape.size(), ErrorCode::kFormat, where_, "its size ",
          to_string(tensor.shape), " and its stride ", to_string(tensor.strides), " are of different length");
    bytes_of(tensor.dtype, tensor.shape);
    bytes_of(tensor.dtype, {tensor.storage_elements});
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

bool is_torch_tensor(const PickleNode& node) {
  const Call call = innermost_call(node);
  const Make* make = find_make(call);
  return make != nullptr && unknown_type(*make, call.arguments).empty();
}

std::string_view unknown_name(const PickleNode& node) {
  if (node.kind == Kind::kGlobal) return node.text;
  if (is_call_of_dict(node)) return {};
  const Call call = innermost_call(node);
  const Make* make = find_make(call);
  if (make != nullptr) return unknown_type(*make, call.arguments);
  return call.function.empty() ? innermost_name(node) : call.function;
}

TorchTensor read_torch_tensor(const PickleNode& node, const std::string& where) {
  const Call call = innermost_call(node);
  const Make* make = find_make(call);
  check(make != nullptr, ErrorCode::kFormat, where, "is no tensor that vitq knows");
  return TensorReader(where).read(*make, call.arguments);
}

}  // namespace vitq
