#include "models/network.h"

#include <algorithm>

#include "models/architectures.h"

namespace vitq {

BufferPlan Network::plan(std::int64_t batch, bool observed) const {
  BufferPlan plan;
  plan.need(Slot::kPatches, batch * config.grid().count() * config.patch_values());
  backbone->plan(batch, observed, plan);
  head.plan(batch, config, plan);
  return plan;
}

Tensor Network::patch_rows(const Workspace& workspace, std::int64_t batch) const {
  return workspace.tensor(Slot::kPatches, {batch * config.grid().count(), config.patch_values()},
                          backbone->patch_source());
}

void Network::forward(Workspace& workspace, std::span<const float> images, std::int64_t batch, std::span<float> logits,
                      Observer* observer) const {
  const Tensor normed = tokens(
      workspace, batch,
      [&](const Tensor& patches) { cut_patches(images, config.image_size, config.patch, patches, pixels); }, observer);
  if (normed.data == nullptr) return;
  if (head.classifies())
    (void)head.classify(workspace, normed, Tensor(logits.data(), {batch, config.classes}), observer);
}

Network Network::resized(PictureSize size) const {
  ModelConfig other = config;
  other.image_size = size;
  if (auto* vit = std::get_if<VitConfig>(&other.body); vit != nullptr && (vit->positions || vit->relative_bias)) {
    const Grid stored = vit->position_grid.count() > 0 ? vit->position_grid : config.grid();
    vit->position_grid = stored == other.grid() ? Grid() : stored;
  }
  check_config(other);
  return {.config = other, .backbone = backbone->resized(other), .head = head, .pixels = pixels};
}

void Network::visit_sites(const std::function<void(const SiteRef&)>& use) {
  backbone->visit_sites(use);
  head.visit_sites(use);
}

namespace {

PixelScale read_pixel_scale(const Checkpoint& checkpoint) {
  PixelScale scale;
  const auto stored = checkpoint.f32_if_there("patch_embed.proj.pixels");
  if (stored.empty()) return scale;
  std::ranges::copy(stored.first(3), scale.gain.begin());
  std::ranges::copy(stored.last(3), scale.shift.begin());
  return scale;
}

}  // namespace

Network make_network(const ModelConfig& config, const Checkpoint& checkpoint, const PackOptions& options) {
  const LayerReader reader{checkpoint, options, config.norm_kind()};
  return {.config = config,
          .backbone = architecture_of(config).build(config, reader),
          .head = Head(config, reader),
          .pixels = read_pixel_scale(checkpoint)};
}

}  // namespace vitq
