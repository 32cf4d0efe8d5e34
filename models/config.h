#pragma once
// The numbers that define a model: what a zoo row states, what a checkpoint's shapes and metadata tell, and what both
// imply (the tensors a checkpoint must hold, the parameter count, the work of one forward pass). What the architectures
// differ in stands in vit_config.h, swin_config.h and the table of architectures.h.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/kernels/arguments.h"
#include "engine/kernels/layer_norm.h"
#include "engine/layers/pool.h"
#include "vitq/preprocessing.h"
#include "weights/checkpoint.h"

namespace vitq {

/// In the order of ModelConfig::Body.
enum class Architecture : std::uint8_t {
  kVit,   ///< ViT and DeiT: Dosovitskiy et al., arXiv 2010.11929; Touvron et al., arXiv 2012.12877
  kSwin,  ///< Swin and Swin V2: Liu et al., arXiv 2103.14030 and 2111.09883
};

/// "vit" or "swin".
std::string_view name_of(Architecture architecture);

/// Blocks of equal width.
struct Stage {
  std::int64_t depth = 0;
  std::int64_t dim = 0;
  std::int64_t heads = 0;
  std::int64_t hidden = 0;  ///< width of the MLP
  bool qkv_bias = true;
  bool other_biases = true;  ///< of proj, fc1 and fc2
  Activation activation = Activation::kGelu;
  bool is_gated = false;   ///< fc1 makes `hidden` gates and as many values (SwiGLU)
  bool qk_norm = false;    ///< norms of each head's q and k
  bool attn_norm = false;  ///< a norm of what proj takes
  bool mlp_norm = false;   ///< a norm of what fc2 takes
  bool cosine = false;     ///< scores are cosines of q and k, times a factor that each head has learned (logit_scale)
  bool norms_behind = false;  ///< norm1 and norm2 are of what attention and MLP give, not of what they take

  [[nodiscard]] std::int64_t head_dim() const { return dim / heads; }
  bool operator==(const Stage&) const = default;
};

/// What makes logits of tokens: the embedding, and the layers that take it.
struct HeadConfig {
  Pool pool = Pool::kClassToken;
  std::string classifier = "head";  ///< the layer's name
  std::string second;               ///< that of the distillation token, whose logits are averaged in; empty: none
  std::int64_t skipped = 0;         ///< tokens that a mean leaves out: the first
  std::string norm;                 ///< the LayerNorm of the embedding; empty: none
};

/// Rotary position embeddings of q and k of the patches (models/positions.h).
enum class Rope : std::uint8_t {
  kNone,
  kDinoV3,  ///< Simeoni et al., arXiv 2508.10104
  kEva02,   ///< Fang et al., arXiv 2303.11331
};

/// Patches of a picture; one number is a square.
struct Grid {
  std::int64_t rows = 0;
  std::int64_t columns = 0;

  constexpr Grid() = default;
  constexpr Grid(std::int64_t side) : rows(side), columns(side) {}  // NOLINT(google-explicit-constructor)
  constexpr Grid(std::int64_t down, std::int64_t across) : rows(down), columns(across) {}

  [[nodiscard]] constexpr std::int64_t count() const { return rows * columns; }
  bool operator==(const Grid&) const = default;
};

/// How position embeddings become those of another grid.
enum class PositionFilter : std::uint8_t {
  kAntialiased,  ///< timm's resample_abs_pos_embed: a = -0.5, widened when shrinking
  kPlain,        ///< transformers' interpolate_pos_encoding: a = -0.75, four taps
};

/// What timm's VisionTransformer varies (timm 1.0; references: the families of CLIP, DeiT-III, DINOv2, MAE, SigLIP).
struct VitConfig {
  Stage blocks;
  bool class_token = true;
  bool distillation_token = false;  ///< a second prefix token, with a head of its own (DeiT)
  std::int64_t registers = 0;       ///< prefix tokens that nothing reads (Darcet et al., arXiv 2309.16588)
  bool positions = true;            ///< there are position embeddings that are added
  bool prefix_positions = true;     ///< prefix tokens have a position each
  Grid position_grid = 0;           ///< that positions are stored for, if the picture has another; else 0
  PositionFilter position_filter = PositionFilter::kAntialiased;  ///< what makes those of the picture then
  bool pre_norm = false;                                          ///< a LayerNorm in front of the first block (CLIP)
  bool final_norm = true;                                         ///< a LayerNorm behind the last block
  bool patch_bias = true;
  Rope rope = Rope::kNone;
  bool relative_bias = false;  ///< a table of relative positions in each block (BEiT)
  Pool pool = Pool::kClassToken;
  std::int64_t pool_hidden = 0;  ///< width of the MLP of Pool::kAttention
  bool fc_norm = false;          ///< a LayerNorm of the embedding

  /// Tokens in front of the patches: class, distillation, registers.
  [[nodiscard]] std::int64_t prefix_tokens() const {
    return (class_token ? 1 : 0) + (distillation_token ? 1 : 0) + registers;
  }
  bool operator==(const VitConfig&) const = default;
};

struct SwinConfig {
  std::int64_t window = 7;    ///< tokens per side of an attention window; every second block is shifted by half of it
  std::vector<Stage> stages;  ///< 2x2 tokens are merged between two of them
  /// Of Swin V2, a window for each stage that the bias was trained with, where that is another; 0 or empty: none.
  std::vector<std::int64_t> trained_windows = {};

  /// Swin V2: blocks of cosines with their norms behind, a merging whose norm is of the 2 dim that it makes and not of
  /// the 4 dim that it takes, and biases that an MLP makes of relative positions (models/positions.h), so that a window
  /// wider than a stage may be cut to it.
  [[nodiscard]] bool is_v2() const { return !stages.empty() && stages.front().cosine; }
  /// That of a stage of grid x grid tokens; not yet checked, a grid may be 0.
  [[nodiscard]] std::int64_t window_of(std::int64_t grid) const {
    return is_v2() && grid > 0 && grid < window ? grid : window;
  }

  bool operator==(const SwinConfig&) const = default;
};

struct ModelConfig {
  using Body = std::variant<VitConfig, SwinConfig>;

  PictureSize image_size = 224;
  std::int64_t patch = 16;      ///< pixels, square
  std::int64_t classes = 1000;  ///< 0: there is no head, or one that projects
  std::int64_t projection = 0;  ///< outputs of a head that makes the embedding (CLIP); 0: there is none
  bool head_bias = true;
  float eps = 1e-6F;      ///< of every norm
  bool rms_norm = false;  ///< they are RMSNorms, without bias
  Body body;

  static constexpr std::int64_t kChannels = 3;
  static constexpr std::int64_t kMostImageSide = 4096;
  [[nodiscard]] Architecture architecture() const { return static_cast<Architecture>(body.index()); }
  /// The body, which must be of that architecture.
  [[nodiscard]] const VitConfig& vit() const { return std::get<VitConfig>(body); }
  [[nodiscard]] VitConfig& vit() { return std::get<VitConfig>(body); }
  [[nodiscard]] const SwinConfig& swin() const { return std::get<SwinConfig>(body); }
  [[nodiscard]] SwinConfig& swin() { return std::get<SwinConfig>(body); }
  /// One of a ViT, all of a Swin.
  [[nodiscard]] std::span<const Stage> stages() const;
  /// Tokens in front of the patches.
  [[nodiscard]] std::int64_t prefix_tokens() const;
  [[nodiscard]] HeadConfig head() const;
  /// Whole patches of the picture.
  [[nodiscard]] Grid grid() const { return {image_size.height / patch, image_size.width / patch}; }
  [[nodiscard]] std::int64_t patch_values() const { return kChannels * patch * patch; }
  /// Floats of a token behind the last block.
  [[nodiscard]] std::int64_t token_size() const { return stages().back().dim; }
  /// Floats of what the head takes.
  [[nodiscard]] std::int64_t pooled_size() const;
  /// Floats of an embedding.
  [[nodiscard]] std::int64_t embedding_size() const { return projection > 0 ? projection : pooled_size(); }
  [[nodiscard]] NormKind norm_kind() const { return {.eps = eps, .is_centred = !rms_norm}; }

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

/// What a checkpoint's names and shapes tell; 0 stands for what they do not: a ViT's heads, a Swin's image size where
/// no mask shows it, the window of a Swin V2 where no buffer shows it, eps, and the classes where there is no head.
/// Throws Error where the names are of no known architecture, with what they are.
ModelConfig config_of_shapes(const Checkpoint& checkpoint);

}  // namespace vitq
