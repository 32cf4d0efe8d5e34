#pragma once
// Checkpoints as torch.save writes them (.pth, .pt; PyTorch 1.6 and newer): a zip that holds a pickle, which says what
// there is, and the bytes of each storage. Read without Python or PyTorch; nothing that stands in the file ever runs.

#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "weights/checkpoint.h"

namespace vitq {

struct TorchOptions {
  /// The entry of the outermost dict that holds the weights ("model_ema"). Empty: they are looked for.
  std::string key = {};
  /// Of several models in a state dict the one whose names begin so (sort_names).
  std::optional<std::string> wrapper = {};
  /// Called for each tensor that has been read, with the number of all.
  std::function<void(std::size_t total)> progress = {};
};

/// Whether the file begins as one of PyTorch's does, of any age, or as any zip: read_torch_checkpoint is then to be
/// asked. Throws where the file cannot be opened.
bool looks_like_torch(const std::filesystem::path& path);

/// The tensors of the file's state dict by canonical name (sort_names), row-major, in the type they are stored in.
/// The state dict is the outermost dict that holds tensors, or what lies in it (and so on) under "state_dict" or else
/// "model": a dict, an OrderedDict, defaultdict or Counter, or an object of any class on which entries were set. All
/// else may be whatever pickles can hold, of any class and made by any function: nothing of it runs (Pickle), and it is
/// left behind. So are tensors of a make or type that vitq does not know: quantized, sparse, complex. left_behind()
/// names the entries of the state dict, its tensors outside of the model, and the entries around it; where a class, a
/// function or a type makes one what it is, so: "args(argparse.Namespace)". Buffers (SortedNames) are not read.
/// Throws, naming `path` and the tensor, where
///   - no state dict is found (NoStateDict where TorchOptions::key can help, torch_pickle.h), or a whole model is;
///   - the file is of the format before PyTorch 1.6, TorchScript, NumPy's .npz or no PyTorch file at all;
///   - a tensor of the state dict reaches out of its storage, has more than 8 dimensions, or a storage is not of the
///     size it claims;
///   - the tensors together take more than twice the file (they may share storages) and 1 MiB.
Checkpoint read_torch_checkpoint(const std::filesystem::path& path, const TorchOptions& options = {});

}  // namespace vitq
