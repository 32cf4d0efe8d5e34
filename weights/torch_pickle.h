#pragma once
// The pickle of a PyTorch checkpoint: where its state dict lies, which tensors that has, and what there is besides.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "vitq/error.h"
#include "weights/torch_tensor.h"

namespace vitq {

/// There are no tensors where a state dict is looked for, but other entries of the file hold some: TorchOptions::key
/// chooses among them.
class NoStateDict : public Error {
 public:
  using Error::Error;
};

/// All names are a stranger's text. What is no tensor that vitq knows is named as "args(argparse.Namespace)" where a
/// class, a function or a type makes it what it is.
struct TorchStateDict {
  std::vector<TorchTensor> tensors;
  std::vector<std::string> others;  ///< the other entries of the state dict
  std::vector<std::string> around;  ///< the entries around it
};

/// The state dict of `bytes`, a pickle. `key`, and what is refused: see torch_checkpoint.h. Errors begin with `source`.
TorchStateDict read_torch_pickle(std::span<const std::uint8_t> bytes, const std::string& key,
                                 const std::string& source);

}  // namespace vitq
