#pragma once
// A whole model, packed and ready to run.

#include <cstdint>
#include <memory>
#include <span>

#include "engine/layers/workspace.h"
#include "engine/picture/patches.h"
#include "models/backbone.h"
#include "models/config.h"
#include "models/head.h"
#include "weights/checkpoint.h"

namespace vitq {

struct Network {
  ModelConfig config;
  std::unique_ptr<Backbone> backbone;
  Head head;
  PixelScale pixels = {};  ///< what the patch embedding takes of normalised pixels

  /// What a pass over `batch` pictures needs in a Workspace.
  [[nodiscard]] BufferPlan plan(std::int64_t batch, bool observed = false) const;

  /// The tokens of `batch` pictures behind the last norm, [batch * tokens, dim], in the workspace, which grows to what
  /// that needs. cut(patches) writes the patch rows of all pictures. A tensor without data where the observer has ended
  /// the pass.
  template <class Cut>
  [[nodiscard]] Tensor tokens(Workspace& workspace, std::int64_t batch, Cut&& cut, Observer* observer = nullptr) const {
    workspace.fit(plan(batch, observer != nullptr));
    const Tensor patches = patch_rows(workspace, batch);
    cut(patches);
    return backbone->forward(workspace, patches, batch, observer);
  }

  /// images: f32 [batch, 3, height, width], normalised -> logits [batch, classes], where the head classifies(). The
  /// workspace grows to what a batch needs; after that nothing is allocated.
  void forward(Workspace& workspace, std::span<const float> images, std::int64_t batch, std::span<float> logits,
               Observer* observer = nullptr) const;

  /// The patch rows of `batch` pictures, in Slot::kPatches, for the caller to fill: [batch * patches, values of a
  /// patch].
  [[nodiscard]] Tensor patch_rows(const Workspace& workspace, std::int64_t batch) const;

  /// The tokens behind the last norm, of one picture.
  [[nodiscard]] StreamShape output() const { return backbone->stream_after(backbone->steps()); }

  /// The same network for pictures of another size; weights are shared. Throws Error (kUnsupported) for those whose
  /// layers hold for one size alone (Swin, BEiT), and for a size that check_config refuses.
  [[nodiscard]] Network resized(PictureSize size) const;

  /// All sites, in the order in which a pass comes by.
  void visit_sites(const std::function<void(const SiteRef&)>& use);
};

/// Packs the weights of `checkpoint`, which may be closed afterwards. The tensors must have been checked
/// (Checkpoint::require with expected_tensors, or require_artifact).
Network make_network(const ModelConfig& config, const Checkpoint& checkpoint, const PackOptions& options = {});

}  // namespace vitq
