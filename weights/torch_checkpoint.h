#pragma once
// Checkpoints as torch.save writes them (.pth, .pt; PyTorch 1.6 and newer): a zip that holds a pickle, which says what
// there is, and the bytes of each storage. Read without Python or PyTorch; nothing that stands in the file ever runs.

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>

#include "weights/checkpoint.h"

namespace vitq {

struct TorchOptions {
  /// The entry of the outermost dict that holds the weights ("model_ema"). Empty: they are looked for.
  std::string key = {};
  /// Called for each tensor that has been read, with the number of all.
  std::function<void(std::size_t total)> progress = {};
};

/// Whether the file begins as one of PyTorch's does, of any age, or as any zip: read_torch_checkpoint is then to be
/// asked. Throws where the file cannot be opened.
bool looks_like_torch(const std::filesystem::path& path);

/// The tensors of the file's state dict by canonical name (canonical_names), row-major, in the type they are stored in.
/// The state dict is the outermost dict, or what lies in it (and so on) under "state_dict" or else "model"; what else
/// there is (optimizer, epoch, args, model_ema) is left alone. Buffers that canonical_names leaves out are not read.
/// Throws, naming `path` and the tensor, where
///   - no state dict is found (NoStateDict, torch_pickle.h);
///   - the file is of the format before PyTorch 1.6, TorchScript, NumPy's .npz or no PyTorch file at all;
///   - the pickle asks for anything but dicts and tensors (Pickle) of the types F64, F32, F16, BF16, I64, I32, I16, I8,
///     U8 or BOOL; argparse.Namespace and yacs.config.CfgNode may be there, for the recipes of DeiT and Swin store
///     them;
///   - a tensor reaches out of its storage, has more than 8 dimensions, or a storage is not of the size it claims;
///   - the tensors together take more than twice the file (they may share storages) and 1 MiB.
Checkpoint read_torch_checkpoint(const std::filesystem::path& path, const TorchOptions& options = {});

}  // namespace vitq
