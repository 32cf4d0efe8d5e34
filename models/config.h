#pragma once
// The numbers that define a model: what a zoo row states, what a checkpoint's shapes and metadata tell, and what both
// imply (the tensors a checkpoint must hold, the parameter count, the work of one forward pass).

#include <cstdint>
#include <string_view>
#include <vector>

#include "weights/checkpoint.h"

namespace vitq {

enum class Architecture : std::uint8_t {
  kVit,   ///< ViT and DeiT: Dosovitskiy et al., arXiv 2010.11929; Touvron et al., arXiv 2012.12877
  kSwin,  ///< Swin: Liu et al., arXiv 2103.14030
};

/// "vit" or "swin".
std::string_view name_of(Architecture architecture);

/// Blocks of equal width. A ViT has one stage, a Swin usually four.
struct Stage {
  std::int64_t depth = 0;
  std::int64_t dim = 0;
  std::int64_t heads = 0;
  std::int64_t hidden = 0;  ///< width of the MLP

  [[nodiscard]] std::int64_t head_dim() const { return dim / heads; }
  bool operator==(const Stage&) const = default;
};

struct ModelConfig {
  Architecture architecture = Architecture::kVit;
  std::int64_t image_size = 224;  ///< pixels, square
  std::int64_t patch = 16;        ///< pixels, square
  std::int64_t classes = 1000;
  bool distilled = false;   ///< a second token and a second head (DeiT)
  std::int64_t window = 0;  ///< tokens per side of an attention window (Swin)
  float eps = 1e-6F;        ///< of every LayerNorm
  std::vector<Stage> stages;

  static constexpr std::int64_t kChannels = 3;
  /// Patches per side of the picture.
  [[nodiscard]] std::int64_t grid() const { return image_size / patch; }
  /// Class and distillation tokens (ViT).
  [[nodiscard]] std::int64_t prefix_tokens() const { return distilled ? 2 : 1; }
  [[nodiscard]] std::int64_t patch_values() const { return kChannels * patch * patch; }

  bool operator==(const ModelConfig&) const = default;
};

/// Throws Error naming the number that makes no sense: dimensions not divisible by heads, a picture not divisible by
/// the patch, a grid not divisible by the window, anything zero, negative or absurdly large.
void check_config(const ModelConfig& config);

/// Every tensor of the model under its canonical (timm) name, with its shape.
std::vector<TensorSpec> expected_tensors(const ModelConfig& config);

/// Number of parameters; 22,050,664 for deit_s.
std::int64_t parameter_count(const ModelConfig& config);

/// Multiply-accumulates of one forward pass of one picture, attention included.
std::int64_t multiply_accumulates(const ModelConfig& config);

/// The configuration a checkpoint's shapes imply, helped by its metadata ("heads", "image_size", "patch_size", "eps")
/// where shapes are silent. Head counts that are not stated follow from the published head_dim: 64 for ViT; a Swin's
/// stand in its bias tables. Throws Error where the names are of no known architecture.
ModelConfig infer_config(const Checkpoint& checkpoint);

}  // namespace vitq
