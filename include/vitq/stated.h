#pragma once
// What somebody states of a model whose file does not say it, or says it wrong.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "vitq/preprocessing.h"

namespace vitq {

/// Each goes before what the file says, but for what the weights themselves show: that cannot be changed.
struct Stated {
  std::optional<std::string> name = std::nullopt;
  std::optional<PictureSize> image_size = std::nullopt;  ///< that the model sees
  /// That its stored position embeddings are of, where these are of no square and image_size is another.
  std::optional<PictureSize> trained_size = std::nullopt;
  /// How positions are brought to another size: "antialiased", as timm, or "plain", as transformers.
  std::optional<std::string> position_filter = std::nullopt;
  std::optional<std::int64_t> heads = std::nullopt;  ///< of attention; of a ViT
  std::optional<double> eps = std::nullopt;          ///< of every LayerNorm
  /// Of the MLP: "gelu", "quick_gelu", "gelu_tanh" or "silu".
  std::optional<std::string> activation = std::nullopt;
  /// What the head takes: "token", "avg", "avgmax", "token+avg" or "map".
  std::optional<std::string> pool = std::nullopt;
  /// What the head makes: "classes", or "projection", an embedding (CLIP).
  std::optional<std::string> head = std::nullopt;
  /// Rotary position embedding: "none", "dinov3" or "eva02".
  std::optional<std::string> rope = std::nullopt;
  /// Of a Swin V2: tokens a side of an attention window.
  std::optional<std::int64_t> window = std::nullopt;
  /// And for each stage those that its biases were trained with, 0 where they are the same; empty: all are.
  std::optional<std::vector<std::int64_t>> trained_windows = std::nullopt;
  std::optional<std::array<float, 3>> mean = std::nullopt;
  std::optional<std::array<float, 3>> std = std::nullopt;
  std::optional<double> crop_pct = std::nullopt;              ///< the size before the crop is image_size / crop_pct
  std::optional<PictureSize> resize = std::nullopt;           ///< or that size itself; 0: no resize
  std::optional<std::string> interpolation = std::nullopt;    ///< of the resize: "bicubic" or "bilinear"
  std::optional<std::string> resize_mode = std::nullopt;      ///< "shortest", "squash" or "border": ResizeMode
  std::optional<std::string> crop_offset = std::nullopt;      ///< of half a pixel: rounded to "even", or "down"
  std::optional<std::string> resize_rounding = std::nullopt;  ///< "bytes" or "float": ResizeRounding
  std::optional<std::vector<std::string>> classes = std::nullopt;  ///< their names, in order
};

}  // namespace vitq
