#pragma once
// A forward pass from outside: patches in, tokens out. After it is made everything about it is const; what it writes to
// is the Workspace of whoever runs it.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "engine/layers/block.h"
#include "engine/layers/observer.h"
#include "engine/layers/workspace.h"
#include "models/config.h"

namespace vitq {

/// A linear layer of a model, with the LayerNorm that feeds it, or an attention: what a quantizer replaces.
struct SiteRef {
  std::string name;                ///< the layer's or the attention's
  Linear* linear = nullptr;        ///< null for an attention
  Norm* norm = nullptr;            ///< in front of `linear`, where there is one
  Attention* attention = nullptr;  ///< null for a linear layer
};

/// Calls use(site) for qkv, the attention, proj, fc1 and fc2 of a block.
void visit_block(Block& block, const std::function<void(const SiteRef&)>& use);

/// The same for fc1 and fc2 of an MLP behind `norm`, where there is one.
void visit_mlp(Norm* norm, Mlp& mlp, const std::function<void(const SiteRef&)>& use);

/// The residual stream between two steps, for one picture.
struct StreamShape {
  std::int64_t tokens = 0;
  std::int64_t dim = 0;
};

class Backbone {
 public:
  virtual ~Backbone() = default;
  Backbone& operator=(const Backbone&) = delete;

  /// The encoding in which the patch embedding takes its rows.
  [[nodiscard]] virtual const Encoding& patch_source() const = 0;

  /// What a pass over `batch` pictures needs in a Workspace. observed: with an observer.
  virtual void plan(std::int64_t batch, bool observed, BufferPlan& plan) const = 0;

  /// patches: [batch * patches, values of a patch] in patch_source(), or any float rows, which become that. Leaves
  /// the tokens [batch * tokens, dim] after the last norm in Slot::kNormed (Slot::kTokens where there is no such norm)
  /// and returns them; a tensor without data where the observer has ended the pass.
  [[nodiscard]] Tensor forward(Workspace& workspace, const Tensor& patches, std::int64_t batch,
                               Observer* observer = nullptr) const;

  // The pass in pieces, for who drives it block by block. The residual stream stands in Slot::kTokens between them.

  /// Patches to the residual stream. False, here and below: the observer has ended the pass.
  [[nodiscard]] virtual bool embed(Workspace& workspace, const Tensor& patches, std::int64_t batch,
                                   Observer* observer) const = 0;
  /// Blocks, and what stands between them.
  [[nodiscard]] virtual std::size_t steps() const = 0;
  [[nodiscard]] virtual bool step(std::size_t index, Workspace& workspace, std::int64_t batch,
                                  Observer* observer) const = 0;
  /// The stream behind the first `count` steps.
  [[nodiscard]] virtual StreamShape stream_after(std::size_t count) const = 0;
  /// The last norm, from the stream to Slot::kNormed, or the stream itself.
  [[nodiscard]] Tensor finish(Workspace& workspace, std::int64_t batch, Observer* observer) const;

  /// Calls use(site) for each, in the order in which a pass comes by. For whoever owns the pass and makes another of
  /// it, while nobody runs it.
  virtual void visit_sites(const std::function<void(const SiteRef&)>& use) = 0;

  /// The same layers, whose packed weights are shared, for pictures of another size: `config` is that of the model but
  /// for image_size and position_grid. Throws Error (kUnsupported) where the layers hold for one size alone.
  [[nodiscard]] virtual std::unique_ptr<Backbone> resized(const ModelConfig& config) const;

 protected:
  Backbone(const Backbone&) = default;
  /// norm: behind the last block, where there is one.
  explicit Backbone(std::optional<Norm> norm) : norm_(std::move(norm)) {}

 private:
  std::optional<Norm> norm_;
};

}  // namespace vitq
