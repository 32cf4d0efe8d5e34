#pragma once
// One tensor of a PyTorch pickle: the calls that PyTorch makes it with (torch/_utils.py, torch/_tensor.py), taken apart
// and checked. The storages themselves are torch_checkpoint.h's business.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/shape.h"
#include "weights/safetensors.h"

namespace vitq {

struct PickleNode;

/// A view into a storage. It lies inside: read_torch_tensor has seen to it.
struct TorchTensor {
  std::string name;  ///< a stranger's text, as all names here
  FileDType dtype = FileDType::kF32;
  Shape shape;
  std::vector<std::int64_t> strides;  ///< in elements, none negative
  std::int64_t offset = 0;            ///< in elements
  std::string storage;                ///< its name in the file
  std::int64_t storage_elements = 0;

  /// Whether it is row-major without a gap.
  [[nodiscard]] bool is_contiguous() const;
};

/// Whether `node` is a tensor of a known make and type: `_rebuild_tensor`, `_v2` or `_v3`, plain or inside of
/// `_rebuild_parameter`, `_rebuild_parameter_with_state` or `_rebuild_from_type_v2`. It may still lie.
bool is_torch_tensor(const PickleNode& node);

/// Of what is none: the name that vitq does not know, of a function, a class or a type. Empty for plain data.
std::string_view unknown_name(const PickleNode& node);

/// A tensor (is_torch_tensor) without its name. Throws, beginning with `where`, as read_torch_checkpoint says.
TorchTensor read_torch_tensor(const PickleNode& node, const std::string& where);

}  // namespace vitq
