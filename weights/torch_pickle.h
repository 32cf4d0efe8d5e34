#pragma once
// The pickle of a PyTorch checkpoint: which tensors there are, of what type and shape, and where in which storage each
// one lies. The storages themselves are torch_checkpoint.h's business.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/shape.h"
#include "vitq/error.h"
#include "weights/safetensors.h"

namespace vitq {

/// A view into a storage. It lies inside: read_torch_pickle has seen to it.
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

/// There are no tensors where a state dict is looked for; another entry of the file may hold them (TorchOptions::key).
class NoStateDict : public Error {
 public:
  using Error::Error;
};

/// The tensors of the state dict that `bytes`, a pickle, hold. `key`, and what is refused: see torch_checkpoint.h. A
/// state dict's entries that are no tensors are left out. Errors begin with `source`.
std::vector<TorchTensor> read_torch_pickle(std::span<const std::uint8_t> bytes, const std::string& key,
                                           const std::string& source);

}  // namespace vitq
