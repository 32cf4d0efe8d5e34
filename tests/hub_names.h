#pragma once
// A ViT's weights under the names that transformers writes.

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "weights/checkpoint.h"
#include "weights/safetensors.h"

namespace vitq::test {

/// A tensor's name as transformers writes it.
inline std::string transformers_name(std::string name) {
  using Renamings = std::vector<std::pair<std::string, std::string>>;
  const Renamings of_blocks = {
      {"blocks", "vit.encoder.layer"},
      {"norm1", "layernorm_before"},
      {"norm2", "layernorm_after"},
      {"attn.proj", "attention.output.dense"},
      {"attn.qkv", "attention.attention.qkv"},
      {"mlp.fc1", "intermediate.dense"},
      {"mlp.fc2", "output.dense"},
  };
  const Renamings of_others = {
      {"patch_embed.proj", "vit.embeddings.patch_embeddings.projection"},
      {"cls_token", "vit.embeddings.cls_token"},
      {"pos_embed", "vit.embeddings.position_embeddings"},
      {"norm", "vit.layernorm"},
      {"head", "classifier"},
  };
  for (const auto& [ours, theirs] : name.starts_with("blocks") ? of_blocks : of_others) {
    const std::size_t at = name.find(ours);
    if (at != std::string::npos) name.replace(at, ours.size(), theirs);
  }
  return name;
}

/// The tensors of `checkpoint`, a ViT, as a ViTForImageClassification has them: queries, keys and values apart. They
/// point into `checkpoint`.
inline std::vector<FileTensor> under_transformers_names(const Checkpoint& checkpoint) {
  std::vector<FileTensor> tensors;
  for (const std::string& name : checkpoint.names()) {
    const std::string published = transformers_name(name);
    const auto values = checkpoint.f32(name);
    const std::span<const std::uint8_t> bytes(reinterpret_cast<const std::uint8_t*>(values.data()),
                                              values.size_bytes());
    const std::size_t packed = published.find("qkv");
    if (packed == std::string::npos) {
      tensors.push_back({published, FileDType::kF32, checkpoint.shape(name), bytes});
      continue;
    }
    Shape shape = checkpoint.shape(name);
    shape.front() /= 3;
    std::size_t first = 0;
    for (const char* part : {"query", "key", "value"}) {
      std::string own = published;
      own.replace(packed, 3, part);
      tensors.push_back({own, FileDType::kF32, shape, bytes.subspan(first, bytes.size() / 3)});
      first += bytes.size() / 3;
    }
  }
  return tensors;
}

}  // namespace vitq::test
